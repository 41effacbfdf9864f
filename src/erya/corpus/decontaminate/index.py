"""The n-grams of all evaluation texts in files that workers map into memory.

T texts, G different n-grams, P postings (a text and the place of an n-gram in it), S short texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from erya.corpus.decontaminate.letters import (
    GRAM,
    Letters,
    covered_letters,
    gram_hashes,
    joined,
    letters_of,
    spans,
)
from erya.corpus.decontaminate.reading import EvaluationFile, read_strings
from erya.corpus.deduplicate.folding import fold
from erya.corpus.job import read_summary, write_summary
from erya.errors import InputError
from erya.files import storage_error

# An n-gram of more texts than this is a common phrase.
_COMMON = 50
# Texts worth fewer Hanzi than the first are looked for as whole lines only, fewer than the second not at all.
LOOKED_FOR, _SHORTEST_LINE = 8, 4
_FOLDED_AT_ONCE = 20_000
_SUMMARY, _MEMBERS = "index.json", "members.npy"
_MIN_BITS, _MAX_BITS, _BITS_A_GRAM = 16, 30, 16


@dataclass(frozen=True, slots=True)
class Index:
    """What evaluation texts are found by.

    Attributes:
        hashes: of n-grams, ascending, uint64, shape (G,).
        starts: where the postings of each begin and, last, P, int64, shape (G + 1,).
        texts: of each posting, int32, shape (P,).
        places: letters before it, int32, shape (P,).
        filter: one bit for each value of the first bits of a hash: whether an n-gram has it, uint8.
        grams: different n-grams of each text that are no common phrases; 0 of those not looked for, int32,
            shape (T,).
        letters: of each text, int32, shape (T,).
        covered: letters of each text that its n-grams cover, int32, shape (T,).
        weights: how many Hanzi the n-grams of each text are worth, float32, shape (T,).
        lines: hashes of the texts that are found as whole lines, ascending, uint64, shape (S,).
        line_texts: their numbers, int32, shape (S,).
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    texts: NDArray[np.int32]
    places: NDArray[np.int32]
    filter: NDArray[np.uint8]
    grams: NDArray[np.int32]
    letters: NDArray[np.int32]
    covered: NDArray[np.int32]
    weights: NDArray[np.float32]
    lines: NDArray[np.uint64]
    line_texts: NDArray[np.int32]

    @property
    def filter_shift(self) -> int:
        """How far a hash is shifted to be the number of a bit of the filter."""
        return 64 - (len(self.filter) * 8).bit_length() + 1

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map what `save` wrote."""
        return cls(*(np.load(folder / f"{one.name}.npy", mmap_mode="r") for one in fields(cls)))

    def save(self, folder: Path) -> None:
        """Write every array as a file."""
        for one in fields(self):
            np.save(folder / f"{one.name}.npy", getattr(self, one.name))


def prepare_index(files: Sequence[EvaluationFile], folder: Path) -> None:
    """Read evaluation files and write their index, unless that was done.

    Args:
        files: of `find_evaluation_files`.
        folder: an existing directory.
    Raises:
        InputError: a file cannot be read or holds no text.
        StorageError: the disk refuses.
    """
    if read_summary(folder / _SUMMARY) is not None:
        return
    letters, members = _different_texts(_letters_of_file(file) for file in files)
    index = build_index(letters)
    too_short = [int((index.grams[texts] == 0).sum()) for texts in members]
    for file, texts in zip(files, members, strict=True):
        if not len(texts):
            raise InputError("the file holds no text to look for", where=str(file.path))
    try:
        index.save(folder)
        np.save(folder / _MEMBERS, np.concatenate(members))
    except OSError as error:
        raise storage_error(error, folder) from error
    counts = zip(members, too_short, strict=True)
    listed = [{"texts": len(texts), "too_short": short} for texts, short in counts]
    write_summary(folder / _SUMMARY, {"files": listed})


def count_found(
    files: Sequence[EvaluationFile], folder: Path, found: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """What is said of each evaluation file, by path: path, sha256, texts, too_short, found.

    Args:
        files, folder: of `prepare_index`.
        found: the numbers of the texts that the corpus holds.
    """
    summary = json.loads((folder / _SUMMARY).read_bytes())
    members = np.load(folder / _MEMBERS)
    is_found, listed, begin = np.isin(members, found), [], 0
    for file, counts in zip(files, summary["files"], strict=True):
        end = begin + counts["texts"]
        listed.append(
            {"path": str(file.path), "sha256": file.sha256}
            | counts
            | {"found": int(is_found[begin:end].sum())}
        )
        begin = end
    return sorted(listed, key=lambda file: str(file["path"]))


def build_index(letters: Letters) -> Index:
    """Index some texts, all different."""
    lengths = np.diff(letters.bounds)
    counts = np.maximum(lengths - GRAM + 1, 0)
    places = spans(np.zeros_like(counts), counts)
    texts = np.repeat(np.arange(len(lengths)), counts)
    hashes = gram_hashes(letters.codes)[places + letters.bounds[texts]]
    order = _first_of_each(hashes, texts)
    order = order[_is_rare(hashes[order])]
    grams = np.bincount(texts[order], minlength=len(lengths))
    worth = (grams + GRAM - 1) * letters.weights / np.maximum(lengths, 1)
    is_looked_for = (grams > 0) & (worth >= LOOKED_FOR)
    order = order[is_looked_for[texts[order]]]
    different, starts = np.unique(hashes[order], return_index=True)
    is_line = ~is_looked_for & (letters.weights >= _SHORTEST_LINE)
    lines = letters.text_hashes()[is_line]
    by_hash = np.argsort(lines)
    return Index(
        hashes=different,
        starts=np.append(starts, len(order)),
        texts=texts[order].astype(np.int32),
        places=places[order].astype(np.int32),
        filter=_filter_of(different),
        grams=np.where(is_looked_for, grams, 0).astype(np.int32),
        letters=lengths.astype(np.int32),
        covered=covered_letters(texts[order], places[order], len(lengths)).astype(np.int32),
        weights=worth.astype(np.float32),
        lines=lines[by_hash],
        line_texts=np.flatnonzero(is_line)[by_hash].astype(np.int32),
    )


def _first_of_each(hashes: NDArray[np.uint64], texts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first place of every n-gram in every text, in the order of hash and text."""
    order = np.lexsort((texts, hashes))
    is_first = np.ones(len(order), dtype=bool)
    is_first[1:] = (np.diff(hashes[order]) != 0) | (np.diff(texts[order]) != 0)
    return order[is_first]


def _is_rare(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which of ascending hashes come at most `_COMMON` times."""
    _, inverse, counts = np.unique(ordered, return_inverse=True, return_counts=True)
    is_rare: NDArray[np.bool_] = counts[inverse] <= _COMMON
    return is_rare


def _filter_of(hashes: NDArray[np.uint64]) -> NDArray[np.uint8]:
    bits = min(max((len(hashes) * _BITS_A_GRAM).bit_length(), _MIN_BITS), _MAX_BITS)
    is_set = np.zeros(1 << bits, dtype=np.uint8)
    is_set[hashes >> np.uint64(64 - bits)] = 1
    return np.packbits(is_set, bitorder="little")


def _letters_of_file(file: EvaluationFile) -> Iterator[Letters]:
    try:
        strings = read_strings(file.path)
        while texts := list(islice(strings, _FOLDED_AT_ONCE)):
            yield letters_of(fold(texts))
    except OSError as error:
        raise InputError(f"cannot read: {error.strerror}", where=str(file.path)) from error


def _different_texts(files: Iterable[Iterator[Letters]]) -> tuple[Letters, list[NDArray[np.int64]]]:
    """The different texts of all files with any letters in them, and the numbers of those of each file."""
    numbers: dict[int, int] = {}
    codes: list[NDArray[np.uint64]] = []
    lengths: list[NDArray[np.int64]] = []
    members = []
    for file in files:
        of_file: dict[int, None] = {}
        for letters in file:
            is_text = letters.weights > 0
            hashes = letters.text_hashes()
            new = []
            for place in np.flatnonzero(is_text).tolist():
                key = int(hashes[place])
                if key not in numbers:
                    numbers[key] = len(numbers)
                    new.append(place)
                of_file[numbers[key]] = None
            starts, sizes = letters.bounds[new], np.diff(letters.bounds)[new]
            codes.append(letters.codes[spans(starts, sizes)])
            lengths.append(sizes)
        members.append(np.fromiter(of_file, dtype=np.int64, count=len(of_file)))
    bounds = np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, dtype=np.int64), *lengths]))])
    nowhere = np.zeros(0, dtype=np.int64)
    return Letters(joined(codes), bounds, nowhere, nowhere, nowhere.astype(bool)), members
