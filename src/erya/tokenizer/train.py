"""Vocabularies from text: characters by how often they are used, and pieces of words of letters.

Chinese is written in characters, and each is a token of its own; which of them deserve a place is a matter
of counting. Only runs of letters and digits need pieces, and those are trained by `tokenizers`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import tokenizers
from numpy.typing import NDArray
from tokenizers import models, pre_tokenizers, trainers

from erya.errors import ConfigError, InputError
from erya.tokenizer.characters import (
    NUM_PAGES,
    PAGE_SIZE,
    SPACE,
    is_hanzi,
    may_run,
    native_folded,
    native_kinds,
)
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Rules, TokenizerSpec

# Every vocabulary has these, whatever it was trained on.
ASCII = "".join(map(chr, range(0x21, 0x7F)))
CHINESE_SIGNS = "，。、；：？！…—～·「」『』《》〈〉【】〔〕（）“”‘’￥％＋－＝／○〇°℃×÷"
UNUSED = 100

# Letter pieces keep at least this share of the room that the fixed tokens leave.
_PIECE_SHARE = 0.15
_MAX_RUNS = 2_000_000
_CHUNK = 1 << 20


@dataclass(frozen=True)
class TrainedVocabulary:
    """A trained tokenizer and what it was trained on.

    Attributes:
        spec: the tokenizer.
        documents, characters: how many texts were counted, and code points in them.
        hanzi: Hanzi in the vocabulary.
        signs: other single characters in it.
        pieces: pieces of words of letters and digits in it.
        rare: different characters that were seen less often than the least frequency, or found no room.
    """

    spec: TokenizerSpec
    documents: int
    characters: int
    hanzi: int
    signs: int
    pieces: int
    rare: int


class TextCounts:
    """Counts the characters and the runs of letters of a stream of texts, in bounded memory."""

    def __init__(self) -> None:
        self.documents = 0
        self.codes: NDArray[np.int64] = np.zeros(0x110000, dtype=np.int64)
        self.runs: Counter[str] = Counter()
        self._pattern = re.compile(f"[{''.join(filter(may_run, map(chr, range(0x600))))}]+")
        self._waiting: list[str] = []
        self._waiting_characters = 0

    def add(self, text: str) -> None:
        """Count one text."""
        self.documents += 1
        self._waiting.append(text)
        self._waiting_characters += len(text) + 1
        if self._waiting_characters >= _CHUNK:
            self.flush()

    def flush(self) -> None:
        """Count what was only collected so far."""
        joined = " ".join(self._waiting)
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.int32)
        self.codes += np.bincount(codes, minlength=0x110000)
        self.codes[ord(" ")] -= max(len(self._waiting) - 1, 0)
        self.runs.update(self._pattern.findall(joined))
        while len(self.runs) > _MAX_RUNS:
            # A run met once in so many will not earn a piece.
            least = min(self.runs.values())
            self.runs = Counter({run: count for run, count in self.runs.items() if count > least})
        self._waiting, self._waiting_characters = [], 0


def train_vocabulary(
    texts: Iterable[str], *, size: int, min_frequency: int = 2, lowercase: bool = True, unused: int = UNUSED
) -> TrainedVocabulary:
    """Train a `native` vocabulary. The same texts in the same order give the same one.

    Args:
        texts: the training split, one document each; read once.
        size: tokens wanted. Fewer come out when the text has no more that are frequent enough.
        min_frequency: a character or piece met less often gets no place.
        lowercase: fold case.
        unused: places kept free as `[unused1]`, `[unused2]`, ...
    Raises:
        ConfigError: `size` does not hold the tokens every vocabulary has.
        InputError: there is no text.
    """
    fixed, single = _fixed_tokens(unused, lowercase=lowercase)
    room = size - len(fixed)
    if room < 1:
        raise ConfigError(f"a vocabulary of {size} is too small: {len(fixed)} tokens are always in it")
    counts = TextCounts()
    for text in texts:
        counts.add(text)
    counts.flush()
    if not counts.codes.any():
        raise InputError("there is no text to train on")

    folded = _folded_counts(counts.codes, lowercase=lowercase)
    runs = _folded_runs(counts.runs, lowercase=lowercase)
    letters = _frequent_letters(folded, min_frequency, known=single)[: room // 8]
    fixed += [form for letter in letters for form in (letter, "##" + letter)]
    room = size - len(fixed)
    ranked = _ranked_characters(folded, taken=set(fixed), min_frequency=min_frequency)
    wanted = max(room - len(ranked), int(room * _PIECE_SHARE))
    pieces = train_pieces(runs, alphabet=single + letters, num_pieces=wanted, min_frequency=min_frequency)
    chosen = ranked[: room - len(pieces)]
    vocabulary = tuple(fixed + chosen + pieces)
    hanzi = sum(is_hanzi(piece) for piece in vocabulary if len(piece) == 1)
    return TrainedVocabulary(
        spec=native_spec(vocabulary, lowercase=lowercase),
        documents=counts.documents,
        characters=int(counts.codes.sum()),
        hanzi=hanzi,
        signs=sum(len(piece) == 1 for piece in vocabulary) - hanzi,
        pieces=len(pieces),
        rare=_without_place(folded, vocabulary),
    )


def _without_place(folded: NDArray[np.int64], vocabulary: tuple[str, ...]) -> int:
    """How many of the characters met are not in the vocabulary."""
    known = np.array([ord(piece) for piece in vocabulary if len(piece) == 1])
    return int(np.count_nonzero(folded) - np.count_nonzero(folded[known]))


def native_spec(vocabulary: tuple[str, ...], *, lowercase: bool) -> TokenizerSpec:
    """A `native` tokenizer of this vocabulary, which has the five special tokens."""
    added = tuple(AddedToken(name, vocabulary.index(name)) for name in SPECIAL_TOKENS)
    rules = Rules(lowercase=lowercase, strip_accents=False, clean=False)
    return TokenizerSpec("native", rules, vocabulary, added)


def train_pieces(
    runs: Counter[str], *, alphabet: list[str], num_pieces: int, min_frequency: int
) -> list[str]:
    """Train pieces of more than one character.

    Args:
        runs: words of letters and digits with how often they were met.
        alphabet: characters that pieces are made of; a word is cut at all others.
        num_pieces: how many pieces at most.
        min_frequency: how often a pair of pieces must be met to become one.
    Source: Schuster and Nakajima 2012, Japanese and Korean Voice Search; the library's trainer merges by
        frequency.
    """
    if num_pieces < 1 or not runs:
        return []
    # Named beforehand, single characters get the same ids in every run; the trainer breaks ties by id.
    known = sorted({form for letter in alphabet for form in (letter, "##" + letter)})
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(known) + num_pieces,
        min_frequency=min_frequency,
        special_tokens=known,
        show_progress=False,
        continuing_subword_prefix="##",
    )
    model = tokenizers.Tokenizer(models.WordPiece())
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.train_from_iterator(_repeated(runs, alphabet), trainer)
    trained = sorted(model.get_vocab().items(), key=lambda item: item[1])
    return [piece for piece, _ in trained if piece not in set(known)][:num_pieces]


def _repeated(runs: Counter[str], alphabet: list[str]) -> Iterator[str]:
    """The words as often as they were met, in an order that does not depend on how they were met."""
    other = re.compile(f"[^{re.escape(''.join(alphabet))}]+")
    longest = Rules().max_word_length
    for run, count in sorted(runs.items()):
        words = [word[:longest] for word in other.sub(" ", run).split()]
        line = " ".join(words) + " "
        for done in range(0, count if words else 0, 10_000):
            yield line * min(10_000, count - done)


def _fixed_tokens(unused: int, *, lowercase: bool) -> tuple[list[str], list[str]]:
    """The tokens of every vocabulary, and those of them that form runs."""
    signs = [char for char in ASCII if not (lowercase and char.isupper())]
    single = [char for char in signs if may_run(char)]
    reserve = [f"[unused{number}]" for number in range(1, unused + 1)]
    fixed = [*SPECIAL_TOKENS, *reserve, *signs, *("##" + char for char in single), *CHINESE_SIGNS]
    return list(dict.fromkeys(fixed)), single


def _folded_counts(codes: NDArray[np.int64], *, lowercase: bool) -> NDArray[np.int64]:
    """Counts of characters after case folding; white space, control characters and damage left out."""
    folded = np.zeros_like(codes)
    for page in range(NUM_PAGES):
        part = codes[page * PAGE_SIZE : (page + 1) * PAGE_SIZE]
        if part.any():
            targets = np.array([ord(char) for char in native_folded(page, lowercase=lowercase)])
            np.add.at(folded, targets, part)
            kinds = native_kinds(page, frozenset(), lowercase=lowercase)
            folded[page * PAGE_SIZE : (page + 1) * PAGE_SIZE][kinds == SPACE] = 0
    folded[:0x20] = folded[0x7F:0xA0] = 0
    folded[0xD800:0xE000] = folded[0xFFFD] = 0
    return folded


def _folded_runs(runs: Counter[str], *, lowercase: bool) -> Counter[str]:
    if not lowercase:
        return runs
    table = {code: native_folded(0, lowercase=True)[code] for code in range(PAGE_SIZE)}
    folded: Counter[str] = Counter()
    for run, count in runs.items():
        folded[run.translate(table)] += count
    return folded


def _frequent_letters(folded: NDArray[np.int64], min_frequency: int, *, known: list[str]) -> list[str]:
    """Letters beyond ASCII that are frequent enough to form runs, the most frequent first."""
    letters = [chr(code) for code in range(0x600) if may_run(chr(code)) and folded[code] >= min_frequency]
    return sorted(set(letters) - set(known), key=lambda letter: (-folded[ord(letter)], letter))


def _ranked_characters(folded: NDArray[np.int64], *, taken: set[str], min_frequency: int) -> list[str]:
    """Characters that are frequent enough and have no place yet, the most frequent first."""
    codes = np.flatnonzero(folded >= min_frequency)
    order = np.lexsort((codes, -folded[codes]))
    return [chr(code) for code in codes[order] if chr(code) not in taken]
