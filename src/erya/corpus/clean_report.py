"""What `erya corpus clean` did: shown, and kept beside the documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from erya.corpus.summaries import peak_memory


@dataclass(slots=True)
class CleanReport:
    """The counts of one job. Made by `CleanCounts`.

    Attributes:
        recipe: the options, as plain values.
        num_files: how many raw files there are.
        files: of each of the first thousand path, format, encoding, bytes, records, documents kept.
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
        scripts, sources: to documents and characters, the largest first; of sources beyond the thousand
            largest the sum.
        cluster_sizes: size of a cluster of duplicates to number of clusters.
        cluster_samples: a few clusters with the texts of their members.
        evaluation_files: of each file of evaluation texts path, sha256, texts, too_short (so many are found
            only as whole lines of short documents) and found (so many stood in the raw text).
        engine, workers, memory_limit_bytes, peak_memory_bytes: what the job ran on and used.
        seconds: time the job took, counted from its last start.
        resumed: whether some of the work was done before that start.
    """

    recipe: dict[str, Any] = field(default_factory=dict)
    num_files: int = 0
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
    evaluation_files: list[dict[str, Any]] = field(default_factory=list)
    engine: str = "local"
    workers: int = 1
    memory_limit_bytes: int = 0
    peak_memory_bytes: int = 0
    seconds: float = 0.0
    resumed: bool = False

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
            "evaluation_files": self.evaluation_files,
            "num_files": self.num_files,
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
            *self._evaluation_rows(),
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

    def _evaluation_rows(self) -> list[tuple[str, str]]:
        """What became of each file of evaluation texts, as (what, count)."""
        return [
            (
                f"found of {file['path']}",
                f"{file['found']:,} of {file['texts']:,} texts ({file['too_short']:,} too short)",
            )
            for file in self.evaluation_files
        ]
