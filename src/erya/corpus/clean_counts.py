"""What the units of a cleaning job counted, added up as they come, in any order.

However many units there are, what is held of them grows with the raw files and the sources only.
"""

from __future__ import annotations

from array import array
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.corpus.clean_report import CleanReport
from erya.corpus.deduplicate.cluster import DuplicateCounts
from erya.corpus.read.files import RawFile
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import (
    LENGTH_EDGES,
    PROBLEMS_OF_A_KIND,
    SAMPLES_OF_A_KIND,
    BlockSummary,
    VolumeSummary,
    kind_of,
)
from erya.corpus.unit_table import unit_key
from erya.corpus.volume_stage import EXACT, NEAR, ONLY_LINES
from erya.data.documents import PartInfo

_PROBLEMS = 40


class CleanCounts:
    """Adds up.

    Args:
        num_files: how many raw files there are.
    """

    def __init__(self, num_files: int) -> None:
        self._blocks, self._volumes = BlockTotals(num_files), VolumeTotals(num_files)
        self._seconds: Counter[str] = Counter()
        self._peak_bytes = 0

    @property
    def parts(self) -> list[PartInfo]:
        """The files of documents, in order."""
        return [PartInfo.model_validate(part) for _, parts in sorted(self._volumes.parts) for part in parts]

    def add_block(self, block: BlockSummary) -> None:
        """Add a unit of the first phase."""
        self._blocks.add(block)
        self._seconds += block.seconds
        self._peak_bytes = max(self._peak_bytes, block.peak_bytes)

    def add_volume(self, volume: VolumeSummary) -> None:
        """Add a unit of the last phase."""
        self._volumes.add(volume)
        self._seconds += volume.seconds
        self._peak_bytes = max(self._peak_bytes, volume.peak_bytes)

    def finish(
        self, files: Sequence[RawFile], recipe: CorpusRecipe, duplicates: DuplicateCounts
    ) -> CleanReport:
        """The report, which is the same in whatever order the units came."""
        blocks, volumes = self._blocks, self._volumes
        return CleanReport(
            recipe=recipe.model_dump(mode="json"),
            files=self._by_file(files),
            records=blocks.records,
            kept=volumes.documents,
            heldout=volumes.heldout,
            characters=volumes.characters,
            raw_bytes=blocks.raw_bytes,
            dropped=_ranked(blocks.dropped + volumes.dropped),
            edits=_ranked(blocks.edits + volumes.edits),
            noted=_ranked(blocks.noted),
            samples=blocks.samples.by_kind(),
            problems=blocks.problems.in_order()[:_PROBLEMS],
            stages=self._stages(),
            lengths=self._lengths(),
            scripts=volumes.scripts.as_dict(),
            sources=volumes.sources.as_dict(),
            cluster_sizes={str(size): count for size, count in sorted(duplicates.sizes.items())},
            peak_memory_bytes=self._peak_bytes,
        )

    def _lengths(self) -> dict[str, list[int]]:
        kept = self._volumes.lengths
        dropped = (self._blocks.lengths - kept).clip(0)
        return {"edges": list(LENGTH_EDGES), "kept": kept.tolist(), "dropped": dropped.tolist()}

    def _by_file(self, files: Sequence[RawFile]) -> list[dict[str, Any]]:
        counts = zip(files, self._blocks.records_by_file, self._volumes.documents_by_file, strict=True)
        return [
            {
                "path": file.path,
                "format": file.format,
                "encoding": file.encoding,
                "bytes": file.size,
                "records": records,
                "kept": kept,
            }
            for file, records, kept in counts
        ]

    def _stages(self) -> list[dict[str, Any]]:
        """What was left after each stage, in order, and how quick one worker was."""
        blocks, volumes = self._blocks, self._volumes
        left, characters = blocks.documents, blocks.characters
        stages: list[dict[str, Any]] = [
            {"name": "read and clean", "documents": blocks.records},
            {"name": "filter", "documents": left, "characters": characters},
        ]
        for reason in (EXACT, NEAR, ONLY_LINES):
            left -= volumes.dropped[reason]
            characters -= volumes.dropped_characters[reason]
            stages.append({"name": f"{reason}s dropped", "documents": left, "characters": characters})
        written = {"documents": volumes.documents, "characters": volumes.characters}
        stages[-1] = {"name": "repeated lines cut out"} | written
        stages += [{"name": name} for name in self._seconds if name not in {each["name"] for each in stages}]
        for stage in stages:
            seconds = self._seconds[stage["name"]]
            if seconds:
                stage["seconds"] = round(seconds, 3)
                stage["megabytes_per_s"] = round(blocks.raw_bytes / 1e6 / seconds, 1)
        return stages


class BlockTotals:
    """The sums of the first phase; attributes are called as those of `BlockSummary`."""

    def __init__(self, num_files: int) -> None:
        self.records = self.documents = self.characters = self.raw_bytes = 0
        self.dropped: Counter[str] = Counter()
        self.edits: Counter[str] = Counter()
        self.noted: Counter[str] = Counter()
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
        self._documents: Counter[str] = Counter()
        self._characters: Counter[str] = Counter()

    def add(self, documents: Counter[str], characters: Counter[str]) -> None:
        """Add some of both."""
        self._documents.update(documents)
        self._characters.update(characters)

    def as_dict(self) -> dict[str, dict[str, int]]:
        """Name to both counts, the largest first."""
        return {
            name: {"documents": count, "characters": self._characters[name]}
            for name, count in _ranked(self._documents).items()
        }


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


def _ranked(counter: Counter[str]) -> Counter[str]:
    """The same counts, the largest first; `most_common` keeps that order."""
    return Counter(dict(sorted(counter.items(), key=lambda item: (-item[1], item[0]))))


def _no_lengths() -> NDArray[np.int64]:
    return np.zeros(len(LENGTH_EDGES) - 1, dtype=np.int64)


def _zeros(count: int) -> array[int]:
    return array("q", bytes(8 * count))
