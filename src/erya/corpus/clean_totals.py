"""The sums of the phases of a cleaning job.

However many units there are, what is held of them grows with the raw files and the sources only.
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable
from heapq import nsmallest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.corpus.summaries import (
    LENGTH_EDGES,
    PROBLEMS_OF_A_KIND,
    SAMPLES_OF_A_KIND,
    BlockSummary,
    VolumeSummary,
    kind_of,
)
from erya.corpus.unit_table import unit_key


class BlockTotals:
    """The sums of the first phase; attributes are called as those of `BlockSummary`."""

    def __init__(self, num_files: int) -> None:
        self.records = self.documents = self.characters = self.raw_bytes = 0
        self.dropped: Counter[str] = Counter()
        self.edits: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
        self.evaluation_texts: set[int] = set()
        self.evaluation_characters = 0
        self.lengths = _no_lengths()
        self.records_by_file = _zeros(num_files)
        self.samples = Firsts(SAMPLES_OF_A_KIND)
        self.problems = Firsts(PROBLEMS_OF_A_KIND)

    def add(self, block: BlockSummary) -> None:
        """Add a unit."""
        self.records += block.records
        self.documents += block.documents
        self.characters += block.characters
        self.raw_bytes += block.raw_bytes
        self.dropped += block.dropped
        self.edits += block.edits
        self.noted += block.noted
        self.evaluation_texts.update(block.evaluation_texts)
        self.evaluation_characters += block.evaluation_characters
        for lengths in (block.lengths_kept, block.lengths_dropped):
            self.lengths += np.array(lengths or 0)
        for file, records in enumerate(block.records_by_file, block.first_file):
            self.records_by_file[file] += records
        place = unit_key(block.bundle, block.number)
        for reason, samples in block.samples.items():
            self.samples.add(place, ((reason, sample) for sample in samples))
        self.problems.add(place, ((kind_of(problem), problem) for problem in block.problems))


class VolumeTotals:
    """The sums of the last phase; attributes are called as those of `VolumeSummary`."""

    def __init__(self, num_files: int) -> None:
        self.documents = self.heldout = self.characters = 0
        self.dropped: Counter[str] = Counter()
        self.dropped_characters: Counter[str] = Counter()
        self.edits: Counter[str] = Counter()
        self.lengths = _no_lengths()
        self.documents_by_file = _zeros(num_files)
        self.sources, self.scripts = NameTotals(), NameTotals()
        # What goes into the manifest, with the numbers of the volumes.
        self.parts: list[tuple[int, list[dict[str, Any]]]] = []

    def add(self, volume: VolumeSummary) -> None:
        """Add a volume."""
        self.documents += volume.documents
        self.heldout += volume.heldout
        self.characters += volume.characters
        self.dropped += volume.dropped
        self.dropped_characters += volume.dropped_characters
        self.edits += volume.edits
        self.lengths += np.array(volume.lengths or 0)
        for file, documents in volume.documents_by_file.items():
            self.documents_by_file[int(file)] += documents
        self.sources.add(volume.documents_by_source, volume.characters_by_source)
        self.scripts.add(volume.documents_by_script, volume.characters_by_script)
        self.parts.append((volume.number, volume.parts))


class NameTotals:
    """Documents and characters by name."""

    def __init__(self) -> None:
        # There may be as many names as raw files: not an object more for each than its place.
        self._places: dict[str, int] = {}
        self._documents, self._characters = _zeros(0), _zeros(0)

    def add(self, documents: Counter[str], characters: Counter[str]) -> None:
        """Add some of both."""
        for name, count in documents.items():
            place = self._places.setdefault(name, len(self._documents))
            if place == len(self._documents):
                self._documents.append(0)
                self._characters.append(0)
            self._documents[place] += count
            self._characters[place] += characters[name]

    def largest(self, most: int, rest: str) -> dict[str, dict[str, int]]:
        """Name to both counts, the largest first.

        Args:
            most: so many names are listed.
            rest: what to call the others together, after their number.
        """
        ranked = nsmallest(most, self._places.items(), key=lambda item: (-self._documents[item[1]], item[0]))
        rows = {name: (self._documents[place], self._characters[place]) for name, place in ranked}
        if len(self._places) > most:
            shown = [sum(column) for column in zip(*rows.values(), strict=True)]
            name = f"{len(self._places) - most:,} {rest}"
            rows[name] = (sum(self._documents) - shown[0], sum(self._characters) - shown[1])
        return {name: dict(zip(("documents", "characters"), row, strict=True)) for name, row in rows.items()}


class Firsts:
    """Keeps the first few things of each kind, in whatever order they come.

    Args:
        size: how many of a kind.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: defaultdict[str, list[tuple[int, int, Any]]] = defaultdict(list)

    def add(self, place: int, things: Iterable[tuple[str, Any]]) -> None:
        """Consider the things of one place: each with its kind, in order."""
        for number, (kind, thing) in enumerate(things):
            kept = self._kept[kind]
            if len(kept) < self._size or (place, number) < kept[-1][:2]:
                insort(kept, (place, number, thing), key=lambda entry: entry[:2])
                del kept[self._size :]

    def by_kind(self) -> dict[str, list[Any]]:
        """Kind to the things, the kind of the first of all first."""
        kinds = sorted(self._kept, key=lambda kind: (self._kept[kind][0][:2], kind))
        return {kind: [entry[2] for entry in self._kept[kind]] for kind in kinds}

    def in_order(self) -> list[Any]:
        """The things of all kinds in order."""
        entries = sorted((entry for kept in self._kept.values() for entry in kept), key=lambda e: e[:2])
        return [entry[2] for entry in entries]


def _no_lengths() -> NDArray[np.int64]:
    return np.zeros(len(LENGTH_EDGES) - 1, dtype=np.int64)


def _zeros(count: int) -> array[int]:
    return array("q", bytes(8 * count))
