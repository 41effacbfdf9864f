"""How well a vocabulary fits a text it was not trained on.

Counted with numpy over the code points of many texts at once: the corpus report asks this of every document.
C code points, D texts, K kinds of characters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from erya.text.kinds import (
    HANZI,
    HANZI_SIMPLIFIED,
    HANZI_TRADITIONAL,
    KINDS,
    WHITE,
    character_kinds,
)
from erya.text.script_of import Script, script_of_counts
from erya.tokenizer.stretches import ranges
from erya.tokenizer.wordpiece import Tokenizer

SCRIPTS: tuple[Script, ...] = get_args(Script)
_CHUNK = 1 << 18


@dataclass
class Tally:
    """Counts of one kind of characters, or of the documents of one script.

    Attributes:
        documents: texts; 0 where kinds of characters are counted.
        characters: characters, white space left out.
        unknown_characters: how many of them are under [UNK].
        tokens: tokens they became; a token belongs to the kind of its first character.
        unknown: how many of those are [UNK].
    """

    documents: int = 0
    characters: int = 0
    unknown_characters: int = 0
    tokens: int = 0
    unknown: int = 0

    @property
    def unknown_share(self) -> float:
        """Share of the characters that are under [UNK], in [0, 1]."""
        return self.unknown_characters / max(self.characters, 1)

    @property
    def tokens_per_character(self) -> float:
        """Tokens a character takes; fewer is shorter sequences."""
        return self.tokens / max(self.characters, 1)

    def add(self, counts: Sequence[int]) -> None:
        """Add counts in the order of the attributes."""
        self.documents += counts[0]
        self.characters += counts[1]
        self.unknown_characters += counts[2]
        self.tokens += counts[3]
        self.unknown += counts[4]


@dataclass
class Coverage:
    """Counts over a text.

    Attributes:
        by_kind: the kinds of `erya.text.kinds.KINDS` but white space, with their counts.
        by_script: the scripts a document may be in, with the counts of their documents.
        unknown_codes: how often each code point was under [UNK], int64, shape (0x110000,).
    """

    by_kind: dict[str, Tally] = field(default_factory=lambda: {kind: Tally() for kind in KINDS[1:]})
    by_script: dict[Script, Tally] = field(default_factory=lambda: {script: Tally() for script in SCRIPTS})
    unknown_codes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0x110000, dtype=np.int64))

    @property
    def total(self) -> Tally:
        """Everything together."""
        total = Tally()
        for tally in self.by_script.values():
            total.add(list(vars(tally).values()))
        return total

    @property
    def documents(self) -> int:
        """How many texts."""
        return self.total.documents

    @property
    def characters(self) -> int:
        """Characters in them, white space left out."""
        return self.total.characters

    @property
    def tokens(self) -> int:
        """Tokens they became."""
        return self.total.tokens

    @property
    def unknown(self) -> int:
        """How many of those are [UNK]."""
        return self.total.unknown

    @property
    def unknown_characters(self) -> Counter[str]:
        """The characters under [UNK], with counts."""
        codes = np.flatnonzero(self.unknown_codes)
        return Counter({chr(code): int(self.unknown_codes[code]) for code in codes.tolist()})

    @property
    def covered_share(self) -> float:
        """Share of the characters that are in the vocabulary, in [0, 1]."""
        return 1 - self.total.unknown_share

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are unknown, in [0, 1]."""
        return self.unknown / max(self.tokens, 1)

    @property
    def tokens_per_character(self) -> float:
        """Tokens a character takes."""
        return self.total.tokens_per_character

    def worst(self, count: int) -> str:
        """The `count` most frequent unknown characters."""
        codes = np.flatnonzero(self.unknown_codes)
        order = np.argsort(-self.unknown_codes[codes], kind="stable")[:count]
        return "".join(map(chr, codes[order].tolist()))

    def add(self, other: Coverage) -> None:
        """Add what was counted elsewhere, by another process for instance."""
        for kind, tally in other.by_kind.items():
            self.by_kind[kind].add(list(vars(tally).values()))
        for script, tally in other.by_script.items():
            self.by_script[script].add(list(vars(tally).values()))
        self.unknown_codes += other.unknown_codes


def measure_coverage(tokenizer: Tokenizer, texts: Iterable[str]) -> Coverage:
    """Tokenise `texts` and count what the vocabulary does not know.

    Args:
        tokenizer: any tokenizer.
        texts: read once, in chunks of a quarter of a million characters.
    """
    coverage = Coverage()
    for chunk in chunks(texts):
        _count(tokenizer, chunk, coverage)
    return coverage


def coverage_rows(coverage: Coverage) -> list[dict[str, Any]]:
    """The table of a report: a row a kind of characters, a row a script of documents, and the total.

    Returns:
        Rows with the keys kind, documents (None in rows of characters), characters, share (of all
        characters), unknown_share, tokens_per_character.
    """
    everything = coverage.total
    named: list[tuple[str, Tally]] = list(coverage.by_kind.items())
    named += [(f"documents: {script}", tally) for script, tally in coverage.by_script.items()]
    named.append(("all", everything))
    return [
        {
            "kind": name,
            "documents": tally.documents or None,
            "characters": tally.characters,
            "share": round(tally.characters / max(everything.characters, 1), 6),
            "unknown_share": round(tally.unknown_share, 6),
            "tokens_per_character": round(tally.tokens_per_character, 4),
        }
        for name, tally in named
        if tally.characters
    ]


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """The texts in lists of about a quarter of a million characters, as corpus jobs hand them over."""
    chunk: list[str] = []
    characters = 0
    for text in texts:
        chunk.append(text)
        characters += len(text) + 1
        if characters >= _CHUNK:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _count(tokenizer: Tokenizer, texts: list[str], coverage: Coverage) -> None:
    """Add the counts of some texts."""
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    starts = np.cumsum(lengths) - lengths
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = character_kinds()[codes]
    pieces = tokenizer.flat_pieces(texts, literals=False)
    text_of_token = np.repeat(np.arange(len(texts)), np.diff(pieces.bounds))
    kind_of_token = kinds[pieces.spans[:, 0] + starts[text_of_token]]
    unknown = np.flatnonzero(pieces.ids == tokenizer.unk_id)
    places = _places(pieces.spans[unknown] + starts[text_of_token[unknown], None])
    places = places[kinds[places] != WHITE]
    np.add.at(coverage.unknown_codes, codes[places], 1)

    text_of_character = np.repeat(np.arange(len(texts)), lengths)
    tables = [
        _table(text_of_character, kinds, len(texts)),
        _table(text_of_character[places], kinds[places], len(texts)),
        _table(text_of_token, kind_of_token, len(texts)),
        _table(text_of_token[unknown], kind_of_token[unknown], len(texts)),
    ]
    tables[0][:, WHITE] = 0
    _add_kinds(coverage, tables)
    _add_scripts(coverage, tables)


def _places(spans: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every character in any of the spans, once, in order."""
    return np.unique(ranges(spans[:, 0], spans[:, 1] - spans[:, 0]))


def _table(texts: NDArray[np.int64], kinds: NDArray[np.uint8], num_texts: int) -> NDArray[np.int64]:
    """How many there are of each kind in each text, shape (D, K)."""
    cells = texts * len(KINDS) + kinds
    return np.bincount(cells, minlength=num_texts * len(KINDS)).reshape(num_texts, len(KINDS))


def _add_kinds(coverage: Coverage, tables: Sequence[NDArray[np.int64]]) -> None:
    """Add counts of shape (D, K) to those of the kinds."""
    sums = [table.sum(axis=0).tolist() for table in tables]
    for number, kind in enumerate(KINDS):
        if number != WHITE:
            coverage.by_kind[kind].add([0, *(column[number] for column in sums)])


def _add_scripts(coverage: Coverage, tables: Sequence[NDArray[np.int64]]) -> None:
    """Add counts of shape (D, K) to those of the scripts."""
    telling = tables[0][:, [HANZI, HANZI_SIMPLIFIED, HANZI_TRADITIONAL]].tolist()
    of_texts = np.stack([table.sum(axis=1) for table in tables], axis=1).tolist()
    for counts, sums in zip(telling, of_texts, strict=True):
        coverage.by_script[script_of_counts(*counts)].add([1, *sums])
