"""More tokens for a vocabulary that a model was trained with: the old ones keep their ids.

A character, or a word that the tokenizer never cuts before it looks for pieces, joins as a piece. A word of
several Hanzi cannot: each Hanzi is looked up alone. It joins as an added token, which is found in the text
before anything is cut, in `tokenizers` as here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tokenizers import pre_tokenizers

from erya.errors import ConfigError, InputError
from erya.tokenizer.characters import bert_normalizer, may_run
from erya.tokenizer.huggingface import native_normalizer, native_pre_tokenizer
from erya.tokenizer.spec import AddedToken, TokenizerSpec
from erya.tokenizer.train import reserved, rounded_up
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.wordpiece import Tokenizer

_UNUSED = re.compile(r"\[unused(\d+)\]")
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that joined.

    Attributes:
        content: its name in the vocabulary.
        id: its place there.
        parts: ids of the old tokens that stood for it, in order.
    """

    content: str
    id: int
    parts: tuple[int, ...]


@dataclass(frozen=True)
class Extension:
    """An extended vocabulary.

    Attributes:
        spec: the new tokenizer.
        new: the tokens that joined.
        known: words that were one token already.
        repeated: words that normalise to one that came before.
        reused: how many of the new tokens took the place of an `[unusedN]`.
        padding: `[unusedN]` places appended to round the size up.
    """

    spec: TokenizerSpec
    new: tuple[NewToken, ...]
    known: tuple[str, ...]
    repeated: int
    reused: int
    padding: tuple[NewToken, ...]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A token to make: its name, whether it is an added token, and the word it stands for."""

    name: str
    is_added: bool
    word: str


def extend_vocabulary(
    tokenizer: Tokenizer, words: Sequence[str], *, reuse: bool = True, pad_to: int = 1
) -> Extension:
    """Add characters and words.

    Args:
        tokenizer: the tokenizer to extend; it stays as it is.
        words: characters and words without white space, in the order they get places.
        reuse: whether `[unusedN]` pieces give their places first; otherwise all are appended.
        pad_to: the size is rounded up to a multiple of this with more `[unusedN]`.
    Raises:
        ConfigError: there is nothing to add.
        InputError: a word vanishes when it is normalised, is the name of another piece, or cannot be found
            because an added token takes a part of it; names it.
    """
    sorting = _Sorting(tokenizer)
    for word, ids in zip(words, ids_of_each(tokenizer, words), strict=True):
        sorting.add(word, ids)
    wanted = sorting.wanted
    if not wanted:
        raise ConfigError(f"nothing to add: each of the {len(words):,} words is one token already")
    old = tokenizer.spec.vocab
    free = _free_places(tokenizer.spec)[: len(wanted)] if reuse else []
    places = [*free, *range(len(old), len(old) + len(wanted) - len(free))]
    spec = _extended(tokenizer.spec, wanted, places, pad_to)
    _require_effect(spec, wanted, places)
    parts = ids_of_each(tokenizer, [token.word for token in wanted])
    size = len(old) + len(wanted) - len(free)
    return Extension(
        spec=spec,
        new=tuple(
            NewToken(token.name, id, tuple(ids)) for token, id, ids in zip(wanted, places, parts, strict=True)
        ),
        known=tuple(sorting.known),
        repeated=sorting.repeated,
        reused=len(free),
        padding=tuple(
            NewToken(name, id, (tokenizer.unk_id,)) for id, name in enumerate(spec.pieces[size:], size)
        ),
    )


def ids_of_each(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """The ids of each of the texts, without [CLS] and [SEP]."""
    flat = tokenizer.flat_pieces(texts)
    return [flat[number].ids.tolist() for number in range(len(texts))]


class _Sorting:
    """Tells apart the words that are known, those that become pieces and those that become added tokens."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.wanted: list[_Wanted] = []
        self.known: list[str] = []
        self.repeated = 0
        self._unk_id, self._prefix = tokenizer.unk_id, tokenizer.spec.rules.prefix
        self._names = set(tokenizer.spec.vocab)
        self._met: set[str] = set()
        self._cut = _Words(tokenizer.spec)

    def add(self, word: str, ids: list[int]) -> None:
        """Find out what becomes of a word, which is these tokens now."""
        cut = self._cut(word)
        normal = " ".join(cut)
        if not cut:
            raise InputError(f"nothing is left of the word {word!r} when it is normalised")
        if normal in self._met:
            self.repeated += 1
            return
        self._met.add(normal)
        if len(ids) == 1 and ids[0] != self._unk_id:
            self.known.append(word)
        elif len(cut) > 1:
            self._want(_Wanted("".join(cut), True, word))
        else:
            self._want(_Wanted(cut[0], False, word))
            # One character may have become several: a Hangul syllable in `reference` mode.
            if 1 in (len(word), len(cut[0])) and self._cut.may_join(cut[0]):
                self._want(_Wanted(self._prefix + cut[0], False, word))

    def _want(self, token: _Wanted) -> None:
        if token.name in self._names:
            raise InputError(f"{token.name!r} is the name of a piece, and cannot be added as a word")
        self._names.add(token.name)
        self.wanted.append(token)


class _Words:
    """Cuts text into the words that pieces are looked up for, by the library's own steps."""

    def __init__(self, spec: TokenizerSpec) -> None:
        self._native = spec.mode == "native"
        if self._native:
            alphabet = run_alphabet(spec)
            self._normalizer = native_normalizer(lowercase=spec.rules.lowercase)
            self._pre_tokenizer = native_pre_tokenizer(alphabet, longest=spec.rules.max_word_length)
        else:
            self._normalizer = bert_normalizer(spec.rules)
            self._pre_tokenizer = pre_tokenizers.BertPreTokenizer()

    def __call__(self, text: str) -> list[str]:
        """The words of `text`, normalised."""
        normal = text if self._normalizer is None else self._normalizer.normalize_str(text)
        return [word for word, _ in self._pre_tokenizer.pre_tokenize_str(normal)]

    def may_join(self, character: str) -> bool:
        """Whether the normalised character continues words as a piece, and so needs the form that does."""
        return may_run(character) if self._native else len(self("a" + character)) == 1


def _free_places(spec: TokenizerSpec) -> list[int]:
    """Places of the `[unusedN]` that nobody has taken."""
    taken = {token.id for token in spec.added}
    return [id for id, piece in enumerate(spec.pieces) if _UNUSED.fullmatch(piece) and id not in taken]


def _extended(
    spec: TokenizerSpec, wanted: Sequence[_Wanted], places: Sequence[int], pad_to: int
) -> TokenizerSpec:
    """The vocabulary with the wanted tokens at their places."""
    # Added tokens that stood behind the pieces become pieces too: nothing can be appended between them.
    pieces = [*spec.vocab, *("" for place in places if place >= len(spec.vocab))]
    for token, place in zip(wanted, places, strict=True):
        pieces[place] = token.name
    numbers = [int(match[1]) for piece in spec.vocab if (match := _UNUSED.fullmatch(piece))]
    spare = rounded_up(len(pieces), pad_to) - len(pieces)
    added = [
        AddedToken(token.name, place, special=False, normalized=True)
        for token, place in zip(wanted, places, strict=True)
        if token.is_added
    ]
    return replace(
        spec,
        pieces=(*pieces, *reserved(max(numbers, default=0), spare)),
        added=tuple(sorted([*spec.added, *added], key=lambda token: token.id)),
    )


def _require_effect(spec: TokenizerSpec, wanted: Sequence[_Wanted], places: Sequence[int]) -> None:
    """Check that each word is now the one token it was given.

    Raises:
        InputError: an older added token takes a part of it before it is looked for.
    """
    found = ids_of_each(Tokenizer(spec), [token.word for token in wanted])
    lost = [
        token.word
        for token, place, ids in zip(wanted, places, found, strict=True)
        if ids != [place] and not token.name.startswith(spec.rules.prefix)
    ]
    if lost:
        raise InputError(
            f"{len(lost):,} words can never be found, an older added token takes a part of them: "
            + ", ".join(map(repr, lost[:_SHOWN])),
            hint="leave them out",
        )
