"""What `erya corpus clean` did: added up from the units, shown, and kept beside the documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from erya.corpus.deduplicate.cluster import DuplicateCounts
from erya.corpus.read.files import RawFile
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import (
    LENGTH_EDGES,
    SAMPLES_OF_A_KIND,
    BlockSummary,
    VolumeSummary,
    peak_memory,
)
from erya.corpus.volume_stage import EXACT, NEAR, ONLY_LINES

_PROBLEMS_OF_A_KIND, _PROBLEMS = 5, 40


@dataclass(slots=True)
class CleanReport:
    """The counts of one job.

    Attributes:
        recipe: the options, as plain values.
        files: of each raw file path, format, encoding, bytes, records, documents kept.
        records: raw records read; `kept` documents were written, of which `heldout` are held out.
        characters: of the documents written.
        raw_bytes: bytes read, after decompression.
        dropped: reason to number of records left out.
        edits: what was cut out, masked or converted in documents that stay, to how often.
        noted: what was mended while reading, to how often.
        samples: reason to a few records left out for it, as {where, text}.
        problems: the first few lines of each kind that could not be read or were mended, as
            `file, line N: reason`.
        stages: of each stage name, documents and characters left after it, and for those that workers do
            the seconds they took together and raw megabytes a second of one worker.
        lengths: documents kept and dropped by length.
        scripts, sources: to documents and characters.
        cluster_sizes: size of a cluster of duplicates to number of clusters.
        cluster_samples: a few clusters with the texts of their members.
        engine, workers, memory_limit_bytes, peak_memory_bytes: what the job ran on and used.
        seconds: time the job took, counted from its last start.
        resumed: whether some of the work was done before that start.
    """

    recipe: dict[str, Any] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    kept: int = 0
    heldout: int = 0
    characters: int = 0
    raw_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    stages: list[dict[str, Any]] = field(default_factory=list)
    lengths: dict[str, list[int]] = field(default_factory=dict)
    scripts: dict[str, dict[str, int]] = field(default_factory=dict)
    sources: dict[str, dict[str, int]] = field(default_factory=dict)
    cluster_sizes: dict[str, int] = field(default_factory=dict)
    cluster_samples: list[dict[str, Any]] = field(default_factory=list)
    engine: str = "local"
    workers: int = 1
    memory_limit_bytes: int = 0
    peak_memory_bytes: int = 0
    seconds: float = 0.0
    resumed: bool = False

    @classmethod
    def of(
        cls,
        files: Sequence[RawFile],
        recipe: CorpusRecipe,
        blocks: Sequence[BlockSummary],
        duplicates: DuplicateCounts,
        volumes: Sequence[VolumeSummary],
    ) -> Self:
        """Add up what the units counted."""
        report = cls(recipe=recipe.model_dump(mode="json"))
        for block in blocks:
            report._add_block(block)
        for volume in volumes:
            report._add_volume(volume)
        report.cluster_sizes = {str(size): count for size, count in sorted(duplicates.sizes.items())}
        report.files = _by_file(files, blocks, volumes)
        report.stages = _stages(blocks, volumes, report)
        kept: list[int] = _summed([volume.lengths for volume in volumes])
        read: list[int] = _summed([part for b in blocks for part in (b.lengths_kept, b.lengths_dropped)])
        dropped = (np.array(read) - np.array(kept)).clip(0).tolist()
        report.lengths = {"edges": list(LENGTH_EDGES), "kept": kept, "dropped": dropped}
        return report

    @property
    def megabytes_per_s(self) -> float:
        """Raw megabytes (10^6 bytes, after decompression) a second; 0 if not all were read in that time."""
        return 0.0 if self.resumed or not self.seconds else self.raw_bytes / 1e6 / self.seconds

    def ran_on(self, engine: str, *, workers: int, memory_limit_bytes: int) -> None:
        """Say what the job ran on; memory is what this process and all workers can have used at a time."""
        self.engine, self.workers, self.memory_limit_bytes = engine, workers, memory_limit_bytes
        own, worker = peak_memory(), self.peak_memory_bytes
        alone = engine == "local" and workers == 1
        self.peak_memory_bytes = max(own, worker) if alone else own + workers * worker

    def _add_block(self, block: BlockSummary) -> None:
        self.records += block.records
        self.raw_bytes += block.raw_bytes
        self.dropped += block.dropped
        self.edits += block.edits
        self.noted += block.noted
        self._add_problems(block.problems)
        self.peak_memory_bytes = max(self.peak_memory_bytes, block.peak_bytes)
        for reason, samples in block.samples.items():
            known = self.samples.setdefault(reason, [])
            known += samples[: SAMPLES_OF_A_KIND - len(known)]

    def _add_problems(self, problems: Sequence[str]) -> None:
        """Remember the first few of each kind: the most frequent kind is not to hide the others."""
        for problem in problems:
            like_it = sum(_kind(other) == _kind(problem) for other in self.problems)
            if like_it < _PROBLEMS_OF_A_KIND and len(self.problems) < _PROBLEMS:
                self.problems.append(problem)

    def _add_volume(self, volume: VolumeSummary) -> None:
        self.kept += volume.documents
        self.heldout += volume.heldout
        self.characters += volume.characters
        self.dropped += volume.dropped
        self.edits += volume.edits
        self.peak_memory_bytes = max(self.peak_memory_bytes, volume.peak_bytes)
        _join(self.sources, volume.documents_by_source, volume.characters_by_source)
        _join(self.scripts, volume.documents_by_script, volume.characters_by_script)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values: see `corpus.page` for what is made of it."""
        return {
            "records": self.records,
            "kept": self.kept,
            "heldout": self.heldout,
            "characters": self.characters,
            "dropped": dict(self.dropped.most_common()),
            "edits": dict(self.edits.most_common()),
            "noted": dict(self.noted.most_common()),
            "raw_bytes": self.raw_bytes,
            "seconds": round(self.seconds, 2),
            "resumed": self.resumed,
            "megabytes_per_s": round(self.megabytes_per_s, 2),
            "engine": self.engine,
            "workers": self.workers,
            "peak_memory_bytes": self.peak_memory_bytes,
            "memory_limit_bytes": self.memory_limit_bytes,
            "stages": self.stages,
            "lengths": self.lengths,
            "scripts": self.scripts,
            "sources": self.sources,
            "clusters": {"sizes": self.cluster_sizes, "samples": self.cluster_samples},
            "files": self.files,
            "problems": self.problems,
            "samples": self.samples,
            "options": self.recipe,
        }

    def rows(self) -> list[dict[str, Any]]:
        """The report as rows of a table for people."""
        speed = "since it went on" if self.resumed else f"{self.megabytes_per_s:.1f} MB/s"
        counts = [
            ("records read", f"{self.records:,}"),
            *((f"dropped: {reason}", f"{count:,}") for reason, count in self.dropped.most_common()),
            ("documents kept", f"{self.kept:,}"),
            ("of these held out", f"{self.heldout:,}"),
            ("characters", f"{self.characters:,}"),
            *((f"mended: {what}", f"{count:,}") for what, count in self.noted.most_common()),
            *((f"edited: {what}", f"{count:,}") for what, count in self.edits.most_common()),
            ("raw text", f"{self.raw_bytes / 1e6:,.1f} MB"),
            ("time", f"{self.seconds:,.1f} s ({speed})"),
            ("memory", f"{self.peak_memory_bytes / 2**20:,.0f} MiB"),
        ]
        return [{"what": what, "count": count} for what, count in counts]


def _kind(problem: str) -> str:
    """Of `file, line N: what (where in it)` the what."""
    return problem.rpartition(": ")[2].partition(" (")[0]


def _summed(counts: Sequence[Sequence[int]]) -> list[int]:
    total = np.zeros(len(LENGTH_EDGES) - 1, dtype=np.int64)
    for part in counts:
        total += np.array(part or [0] * len(total))
    return total.tolist()


def _join(table: dict[str, dict[str, int]], documents: Counter[str], characters: Counter[str]) -> None:
    for name, count in documents.items():
        row = table.setdefault(name, {"documents": 0, "characters": 0})
        row["documents"] += count
        row["characters"] += characters[name]


def _by_file(
    files: Sequence[RawFile], blocks: Sequence[BlockSummary], volumes: Sequence[VolumeSummary]
) -> list[dict[str, Any]]:
    records: Counter[int] = Counter()
    kept: Counter[str] = Counter()
    for block in blocks:
        records[block.file] += block.records
    for volume in volumes:
        kept += volume.documents_by_file
    return [
        {
            "path": file.path,
            "format": file.format,
            "encoding": file.encoding,
            "bytes": file.size,
            "records": records[file.number],
            "kept": kept[str(file.number)],
        }
        for file in files
    ]


def _stages(
    blocks: Sequence[BlockSummary], volumes: Sequence[VolumeSummary], report: CleanReport
) -> list[dict[str, Any]]:
    """What was left after each stage, in order, and how quick one worker was."""
    seconds: Counter[str] = Counter()
    dropped: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    for block in blocks:
        seconds += block.seconds
    for volume in volumes:
        seconds += volume.seconds
        dropped += volume.dropped
        characters += volume.dropped_characters
    left = sum(block.documents for block in blocks)
    left_characters = sum(block.characters for block in blocks)
    stages: list[dict[str, Any]] = [
        {"name": "read and clean", "documents": report.records},
        {"name": "filter", "documents": left, "characters": left_characters},
    ]
    for reason in (EXACT, NEAR, ONLY_LINES):
        left, left_characters = left - dropped[reason], left_characters - characters[reason]
        stages.append({"name": f"{reason}s dropped", "documents": left, "characters": left_characters})
    stages[-1] = {"name": "repeated lines cut out", "documents": report.kept, "characters": report.characters}
    stages += [{"name": name} for name in seconds if name not in {stage["name"] for stage in stages}]
    for stage in stages:
        if seconds[stage["name"]]:
            stage["seconds"] = round(seconds[stage["name"]], 3)
            stage["megabytes_per_s"] = round(report.raw_bytes / 1e6 / seconds[stage["name"]], 1)
    return stages
