"""Vocabularies from text: characters by how often they are used, and pieces of words of letters.

Chinese is written in characters, and each is a token of its own; which of them deserve a place is a matter
of counting. Only runs of letters and digits need pieces, and those are trained by `tokenizers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from erya.errors import ConfigError, InputError
from erya.tokenizer.characters import is_hanzi, may_run
from erya.tokenizer.counts import RUN_LETTERS, TextCounts
from erya.tokenizer.pieces import PREFIX, both_forms, train_pieces
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec

Digits = Literal["keep", "split"]
DIGITS: tuple[Digits, ...] = get_args(Digits)

# Every vocabulary has these, whatever it was trained on.
ASCII = "".join(map(chr, range(0x21, 0x7F)))
CHINESE_SIGNS = "，。、；：？！…—～·「」『』《》〈〉【】〔〕（）“”‘’￥％＋－＝／○〇°℃×÷"
UNUSED = 100
# Matrix products are fastest when the vocabulary is a multiple of this.
MULTIPLE = 64

# Letter pieces keep at least this share of the room that the fixed tokens leave.
_PIECE_SHARE = 0.15


@dataclass(frozen=True)
class TrainedVocabulary:
    """A trained tokenizer and what it was trained on.

    Attributes:
        spec: the tokenizer.
        documents, characters: how many texts were counted, and code points in them.
        hanzi: Hanzi in the vocabulary.
        signs: other single characters in it.
        pieces: pieces of words of letters and digits in it.
        unused: places kept free, those that round the size up among them.
        rare: different characters that were seen less often than the least frequency, or found no room.
        coverage: share of the running text's characters that have a place, in [0, 1].
    """

    spec: TokenizerSpec
    documents: int
    characters: int
    hanzi: int
    signs: int
    pieces: int
    unused: int
    rare: int
    coverage: float


@dataclass(frozen=True, slots=True)
class VocabularyPlan:
    """What a vocabulary should be.

    Attributes:
        size: tokens wanted, rounded up to `multiple`. Fewer come out when the text has no more that are
            frequent enough. None: as many as `coverage` asks for.
        coverage: give characters a place, the most frequent first, until they make up this share of the
            running text, in (0, 1]; letter pieces get the rest. None: characters take what pieces leave.
        min_frequency: a character or piece met less often gets no place.
        lowercase: fold case.
        digits: `split`: each digit is a token, whatever stands beside it; `keep`: numbers are cut into
            pieces as words are.
        unused: places kept free as `[unused1]`, `[unused2]`, ...
        multiple: the size is a multiple of this; places to spare are filled with more `[unusedN]`.
    """

    size: int | None = 12_000
    coverage: float | None = None
    min_frequency: int = 2
    lowercase: bool = True
    digits: Digits = "keep"
    unused: int = UNUSED
    multiple: int = MULTIPLE

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            ConfigError: it is said which value, and what to do.
        """
        if self.size is None and self.coverage is None:
            raise ConfigError("neither a size nor a coverage is given", hint="give one of them, or both")
        if self.coverage is not None and not 0 < self.coverage <= 1:
            raise ConfigError(
                f"a coverage of {self.coverage:g} is no share of the text", hint="for example 0.9995"
            )
        if self.digits not in DIGITS:
            raise ConfigError(f"unknown treatment of digits {self.digits!r}", hint="known: keep, split")
        if self.size is not None and self.places < 1:
            fixed = len(_fixed_tokens(self))
            raise ConfigError(f"a vocabulary of {self.size} is too small: {fixed} tokens are always in it")

    @property
    def places(self) -> int:
        """Places beside the fixed tokens; of a plan that has a size."""
        assert self.size is not None, "a plan without a size has as many places as it needs"
        return rounded_up(self.size, self.multiple) - len(_fixed_tokens(self))


def train_vocabulary(
    texts: Iterable[str],
    *,
    size: int | None = 12_000,
    coverage: float | None = None,
    min_frequency: int = 2,
    lowercase: bool = True,
    digits: Digits = "keep",
    unused: int = UNUSED,
    multiple: int = MULTIPLE,
) -> TrainedVocabulary:
    """Train a `native` vocabulary. The same texts in the same order give the same one.

    Args:
        texts: the training split, one document each; read once.
        size, coverage, min_frequency, lowercase, digits, unused, multiple: see `VocabularyPlan`.
    Raises:
        ConfigError: `size` does not hold the tokens every vocabulary has, or not the characters that
            `coverage` asks for.
        InputError: there is no text.
    """
    plan = VocabularyPlan(size, coverage, min_frequency, lowercase, digits, unused, multiple)
    plan.check()
    counts = TextCounts(lowercase=lowercase)
    for text in texts:
        counts.add(text)
    counts.flush()
    return vocabulary_of(counts, plan)


def vocabulary_of(counts: TextCounts, plan: VocabularyPlan) -> TrainedVocabulary:
    """Train on what was counted.

    Args:
        counts: of the training texts, flushed, folded as the plan says.
        plan: what the vocabulary should be, checked.
    Raises:
        ConfigError: the size does not hold the characters that the coverage asks for.
        InputError: nothing was counted.
    """
    seen = counts.visible()
    if not seen.any():
        raise InputError("there is no text to train on")
    fixed = _fixed_tokens(plan)
    letters, characters = _ranked(seen, plan, taken=fixed)
    taken = 2 * len(letters)
    pieces = train_pieces(
        counts.runs,
        alphabet=_fixed_letters(plan) + letters,
        num_pieces=_room_for_pieces(taken, len(characters), plan),
        min_frequency=plan.min_frequency,
    )
    if plan.coverage is None:
        characters = characters[: plan.places - taken - len(pieces)]
    vocabulary = [*fixed, *both_forms(letters), *characters, *pieces]
    spare = rounded_up(len(vocabulary), plan.multiple) - len(vocabulary)
    vocabulary += reserved(plan.unused, spare)
    return _described(counts, seen, tuple(vocabulary), len(pieces), plan)


def native_spec(vocabulary: tuple[str, ...], *, lowercase: bool) -> TokenizerSpec:
    """A `native` tokenizer of this vocabulary, which has the five special tokens."""
    added = tuple(AddedToken(name, vocabulary.index(name)) for name in SPECIAL_TOKENS)
    rules = Rules(lowercase=lowercase, strip_accents=False, clean=False)
    return TokenizerSpec("native", rules, vocabulary, added)


def reserved(before: int, count: int) -> list[str]:
    """Names of `count` places kept free, when there are `before` already."""
    return [f"[unused{number}]" for number in range(before + 1, before + count + 1)]


def rounded_up(size: int, multiple: int) -> int:
    """The least multiple of `multiple` that is not less than `size`."""
    return -(-size // multiple) * multiple


def _fixed_tokens(plan: VocabularyPlan) -> list[str]:
    """The tokens of every vocabulary."""
    signs = [char for char in ASCII if not (plan.lowercase and char.isupper())]
    # Without a form that continues a word, a digit forms no runs: each stands alone, in `tokenizers` too.
    inner = [PREFIX + char for char in _fixed_letters(plan)]
    return list(dict.fromkeys([*SPECIAL_TOKENS, *reserved(0, plan.unused), *signs, *inner, *CHINESE_SIGNS]))


def _fixed_letters(plan: VocabularyPlan) -> list[str]:
    """Those of the fixed tokens that form runs."""
    letters = [char for char in ASCII if may_run(char) and not (plan.lowercase and char.isupper())]
    return [char for char in letters if not (plan.digits == "split" and char.isdigit())]


def _ranked(
    seen: NDArray[np.int64], plan: VocabularyPlan, *, taken: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Letters beyond ASCII that form runs, and characters that stand alone, the most frequent first.

    Both are frequent enough and have no place yet. With a coverage they are those that it asks for;
    otherwise they are all there are, but the letters leave most of the room to the others.

    Raises:
        ConfigError: the size does not hold the characters that the coverage asks for.
    """
    known = [ord(piece) for piece in taken if len(piece) == 1]
    codes = np.flatnonzero(seen >= plan.min_frequency)
    codes = codes[np.lexsort((codes, -seen[codes]))]
    codes = codes[~np.isin(codes, known)]
    most = len(codes)
    if plan.coverage is not None:
        missing = plan.coverage * int(seen.sum()) - int(seen[known].sum())
        codes = codes[: _num_asked_for(seen[codes], missing)]
    elif plan.size is not None:
        most = plan.places // 8
    letters = [chr(code) for code in codes.tolist() if chr(code) in RUN_LETTERS][:most]
    in_runs = set(letters)
    characters = [char for char in map(chr, codes.tolist()) if char not in in_runs]
    if plan.coverage is not None and plan.size is not None:
        beyond = 2 * len(letters) + len(characters) - plan.places
        if beyond > 0:
            raise ConfigError(
                f"{plan.size} tokens do not hold the characters that make up {plan.coverage:.4%} of the text",
                hint=f"take a size of {plan.size + beyond} or more, or a lower coverage",
            )
    return letters, characters


def _num_asked_for(counts: NDArray[np.int64], missing: float) -> int:
    """How many of the characters with these counts, in order, it takes to make up `missing` of the text."""
    if missing <= 0:
        return 0
    return int(np.searchsorted(np.cumsum(counts), missing)) + 1


def _room_for_pieces(taken: int, num_characters: int, plan: VocabularyPlan) -> int:
    """How many letter pieces to train, when letters have taken so many places."""
    if plan.size is None:
        return round((taken + num_characters) * _PIECE_SHARE / (1 - _PIECE_SHARE))
    room = plan.places - taken
    least = 0 if plan.coverage is not None else int(room * _PIECE_SHARE)
    return max(room - num_characters, least)


def _described(
    counts: TextCounts,
    seen: NDArray[np.int64],
    vocabulary: tuple[str, ...],
    pieces: int,
    plan: VocabularyPlan,
) -> TrainedVocabulary:
    single = [piece for piece in vocabulary if len(piece) == 1]
    known = seen[list(map(ord, single))]
    hanzi = sum(map(is_hanzi, single))
    return TrainedVocabulary(
        spec=native_spec(vocabulary, lowercase=plan.lowercase),
        documents=counts.documents,
        characters=counts.characters,
        hanzi=hanzi,
        signs=len(single) - hanzi,
        pieces=pieces,
        unused=sum(piece.startswith("[unused") for piece in vocabulary),
        rare=int(np.count_nonzero(seen) - np.count_nonzero(known)),
        coverage=float(known.sum() / seen.sum()),
    )
