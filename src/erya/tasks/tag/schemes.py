"""Spans as tags of tokens and back: IO, BIO and BIOES, and whatever other models call the same.

N tokens, C tags, S sequences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from erya.data.annotations.tags import UNTYPED
from erya.errors import CheckpointError
from erya.tasks.tag.viterbi import Transitions

SchemeName = Literal["io", "bio", "bioes"]
OUTSIDE = "O"
_ROLES: dict[SchemeName, str] = {"io": "I", "bio": "BI", "bioes": "BIES"}
# What others call beginning, inside, end and single: BMES, BILOU.
_SAME = {"M": "I", "L": "E", "U": "S"}
_TAG = re.compile(r"([BIMESLU])[-_](.+)", re.DOTALL)
_BARE = re.compile(r"[BIMESLU]")


@dataclass(frozen=True)
class TagSet:
    """The C tags of a scheme for some types.

    Attributes:
        labels: the tags as a model directory names them, in the order of the logits.
        roles: of each tag `B`, `I`, `E`, `S` or `O`.
        types: the type of each tag; "" of `O`.
    """

    labels: tuple[str, ...]
    roles: tuple[str, ...]
    types: tuple[str, ...]

    @classmethod
    def of_types(cls, scheme: SchemeName, types: Sequence[str]) -> TagSet:
        """`O`, then the tags of each type."""
        pairs = [(role, kind) for kind in types for role in _ROLES[scheme]]
        return cls(
            (OUTSIDE, *(f"{role}-{kind}" for role, kind in pairs)),
            (OUTSIDE, *(role for role, _ in pairs)),
            ("", *(kind for _, kind in pairs)),
        )

    @classmethod
    def of_labels(cls, labels: Sequence[str]) -> TagSet:
        """What labels of any token classifier mean: BIO, BMES, BILOU, BIOS, or types by themselves.

        Where all are bare roles, as `B` and `I` of models that cut words, there is one type, `word`.

        Raises:
            CheckpointError: two labels mean the same.
        """
        is_bare = "B" in labels and all(_BARE.fullmatch(label) or label == OUTSIDE for label in labels)
        named = [f"{label}-{UNTYPED}" if is_bare and label != OUTSIDE else label for label in labels]
        found = [_meaning(label) for label in named]
        if len(set(found)) < len(found):
            twice = next(pair for pair in found if found.count(pair) > 1)
            raise CheckpointError(f"two labels mean {'-'.join(part for part in twice if part)!r}")
        return cls(tuple(labels), tuple(role for role, _ in found), tuple(kind for _, kind in found))

    @property
    def has_begin(self) -> bool:
        """Whether a span's first token is told from the others, and so two neighbours of one type."""
        return "B" in self.roles

    @property
    def has_end(self) -> bool:
        """Whether a span's last token is told from the others, so that what begins must end."""
        return "E" in self.roles

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The types, in the order of the tags."""
        return tuple(dict.fromkeys(kind for kind in self.types if kind))

    @cached_property
    def _indices(self) -> dict[tuple[str, str], int]:
        return {pair: tag for tag, pair in enumerate(zip(self.roles, self.types, strict=True))}

    def can_say(self, kind: str, num_tokens: int) -> bool:
        """Whether there are tags for a span of this type and length; a foreign model may lack some."""
        return all((role, kind) in self._indices for role in self._roles_of(kind, num_tokens))

    def tag(self, spans: Sequence[tuple[int, int, str]], num_tokens: int) -> NDArray[np.int64]:
        """The tags of a sequence.

        Args:
            spans: first token, last token and type of each, all of which it can say; none overlaps another.
            num_tokens: of the sequence.
        Returns:
            Shape (num_tokens,).
        """
        known = self._indices
        tags = np.full(num_tokens, known.get((OUTSIDE, ""), 0), dtype=np.int64)
        for first, last, kind in spans:
            roles = self._roles_of(kind, last - first + 1)
            tags[first : last + 1] = [known[role, kind] for role in roles]
        return tags

    def _roles_of(self, kind: str, num_tokens: int) -> list[str]:
        """The roles of the tokens of a span."""
        roles = ["I"] * num_tokens
        roles[-1] = "E" if ("E", kind) in self._indices else "I"
        roles[0] = "B" if ("B", kind) in self._indices else roles[0]
        if num_tokens == 1 and ("S", kind) in self._indices:
            roles[0] = "S"
        return roles

    def spans(
        self, tags: NDArray[np.integer], bounds: NDArray[np.integer]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
        """The spans that tags of several sequences mean, in order; tags that break the rules are read, too.

        A span begins at a `B` or `S`, after an `E` or `S`, and wherever the type changes: as the CoNLL scores
        have it.

        Args:
            tags: shape (N,).
            bounds: sequence s is tokens bounds[s] to bounds[s + 1], shape (S + 1,).
        Returns:
            Of each span the first token, the last one, and the type.
        """
        roles, kinds = np.array(self.roles)[tags], np.array(self.types)[tags]
        is_in, is_first = roles != OUTSIDE, np.zeros(len(tags) + 1, dtype=bool)
        is_first[bounds] = True
        begins = is_in & (is_first[:-1] | np.isin(roles, ("B", "S")))
        if len(tags):
            closed = ~is_in[:-1] | np.isin(roles[:-1], ("E", "S")) | (kinds[:-1] != kinds[1:])
            begins[1:] |= is_in[1:] & closed
        goes_on = np.append(is_in[1:] & ~begins[1:], False)
        firsts = np.flatnonzero(begins)
        return firsts, np.flatnonzero(is_in & ~goes_on), kinds[firsts].tolist()

    def allowed(self, *, outside: bool = True) -> Transitions:
        """Zero where a tag may begin, follow another or end, minus infinity elsewhere.

        Args:
            outside: whether a token may be of no span.
        """
        roles, kinds = np.array(self.roles), np.array(self.types)
        opens = np.isin(roles, ("B", "I")) & self.has_begin
        goes_on = np.isin(roles, ("I", "E")) & self.has_begin
        pairs = ~goes_on | (opens[:, None] & (kinds[:, None] == kinds))
        start, end = ~goes_on, np.ones(len(roles), dtype=bool)
        if self.has_begin and self.has_end:
            pairs &= ~opens[:, None] | goes_on
            end = ~opens
        if not outside:
            start, pairs = start & (roles != OUTSIDE), pairs & (roles != OUTSIDE)
        return Transitions(*(np.where(may, 0.0, -np.inf) for may in (start, pairs, end)))


def _meaning(label: str) -> tuple[str, str]:
    """Role and type of a tag; a name without a role is that of a type whose tokens are all alike."""
    if label == OUTSIDE:
        return OUTSIDE, ""
    found = _TAG.fullmatch(label)
    return (_SAME.get(found[1], found[1]), found[2]) if found else ("I", label)
