"""Tags of tokens (BIO, BIOES, BMES, IO) to spans of tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

# `bioes` has marks for the last and for a lone token (BMES is the same), `bio` for the first only, `io` for
# none; `each` makes every token a span of its own, as parts of speech are.
Scheme = Literal["bio", "bioes", "io", "each"]

# Tags without a type, as word segmentation has them, get this one.
UNTYPED = "word"
_TAG = re.compile(r"([BIMESLU])(?:[-_](.+))?")
# The same marks in other letters: M(iddle), L(ast), U(nit).
_MARK = {"M": "I", "L": "E", "U": "S"}
_OUTSIDE = "O"


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Tokens `start` to before `end` are of `type`."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Break:
    """A tag that its neighbours do not allow.

    Attributes:
        index: the token.
        what: what is wrong.
    """

    index: int
    what: str


def looks_like_tag(tag: str) -> bool:
    """Whether a word is `O` or begins like the tag of an entity."""
    return tag == _OUTSIDE or _TAG.fullmatch(tag) is not None


def find_scheme(tags: Iterable[str]) -> Scheme:
    """The scheme that a set of tags is in."""
    seen = set(tags)
    marks = {found[1] for tag in seen if (found := _TAG.fullmatch(tag)) is not None}
    if len(seen - {_OUTSIDE}) > sum(_TAG.fullmatch(tag) is not None for tag in seen):
        return "io" if _OUTSIDE in seen else "each"
    if marks & {"E", "S", "M", "L", "U"}:
        return "bioes"
    return "bio" if "B" in marks else "io"


def spans_of(tags: Sequence[str], scheme: Scheme) -> tuple[list[TokenSpan], list[Break]]:
    """The spans that tags stand for; where they break the rules, the nearest reading.

    A tag that goes on with what was not begun begins it (the rule of conlleval), and what was not ended ends
    where something else follows.

    Args:
        tags: of the N tokens of a sentence.
        scheme: how to read them.
    Returns:
        The spans, and the tags that break the rules.
    """
    if scheme == "each":
        return [TokenSpan(i, i + 1, tag) for i, tag in enumerate(tags) if tag != _OUTSIDE], []
    spans: list[TokenSpan] = []
    breaks: list[Break] = []
    start, kind = 0, ""  # of the span that is open; no kind: none is
    for index, (mark, following) in enumerate([*(_parse(tag, scheme) for tag in tags), ("O", "")]):
        goes_on = mark in ("I", "E") and following == kind
        if kind and not goes_on:
            if scheme == "bioes":
                breaks.append(Break(index - 1, f"{kind} is not ended before {_shown(tags, index)}"))
            spans.append(TokenSpan(start, index, kind))
            kind = ""
        if mark == "O":
            continue
        if not goes_on:
            if mark in ("I", "E") and scheme != "io":
                before = _shown(tags, index - 1) if index else "the beginning"
                breaks.append(Break(index, f"{tags[index]} after {before} goes on with what was not begun"))
            start, kind = index, following
        if mark in ("E", "S"):
            spans.append(TokenSpan(start, index + 1, kind))
            kind = ""
    return spans, breaks


def _parse(tag: str, scheme: Scheme) -> tuple[str, str]:
    """The mark (B I E S O) and the type of a tag."""
    if tag == _OUTSIDE:
        return "O", ""
    found = _TAG.fullmatch(tag)
    if found is None or (scheme == "io" and found[2] is None):
        return "I", tag
    mark = _MARK.get(found[1], found[1])
    return mark, found[2] or UNTYPED


def _shown(tags: Sequence[str], index: int) -> str:
    return tags[index] if index < len(tags) else "the end"
