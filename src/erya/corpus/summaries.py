"""What the units of a cleaning job count, each for itself: kept as JSON, added up at the end."""

from __future__ import annotations

import re
import resource
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

# Documents are counted by length between these numbers of characters.
LENGTH_EDGES = (0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000)
SAMPLES_OF_A_KIND = 3
SAMPLE_CHARACTERS = 200
PROBLEMS_OF_A_KIND = 5


@dataclass(slots=True)
class Summary:
    """Counts that add up. Subclasses say which."""

    COUNTERS: ClassVar[tuple[str, ...]] = ()

    def as_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """What `as_dict` gave."""
        return cls(**{one.name: _revived(one.name in cls.COUNTERS, values[one.name]) for one in fields(cls)})


@dataclass(slots=True)
class BlockSummary(Summary):
    """What reading, cleaning and filtering one unit of blocks came to.

    Attributes:
        bundle, number: the first file of its bundle, and the number of the unit in it.
        first_file, first_block: of the first block in it.
        stored_bytes: bytes of the files, as they are stored, that were read for it.
        raw_bytes: the text of the blocks, decompressed.
        records: raw records; `documents` of them are left, with so many `characters`.
        records_by_file: of `first_file` and each file after it.
        dropped: reason to number of records left out.
        edits: what was cut out or masked in documents that stay, to how often.
        noted: what was mended (damaged bytes, lines in another encoding), to how often.
        samples: reason to the first few records left out for it, as {where, text}.
        problems: the first few lines of each kind that could not be read or were mended, as
            `file, line N: reason`.
        without_text: the first file that begins here in which no record has the wanted fields, as {path,
            reason, fields}; empty if there is none.
        evaluation_texts: numbers of the evaluation texts that were found.
        evaluation_characters: of the documents left out because they hold one.
        lengths_kept, lengths_dropped: documents by length, between `LENGTH_EDGES`.
        seconds: step to the time it took.
        peak_bytes: the most memory the process had used by then.
    """

    bundle: int
    number: int
    first_file: int
    first_block: int
    stored_bytes: int
    raw_bytes: int
    records: int = 0
    documents: int = 0
    characters: int = 0
    records_by_file: list[int] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    without_text: dict[str, Any] = field(default_factory=dict)
    evaluation_texts: list[int] = field(default_factory=list)
    evaluation_characters: int = 0
    lengths_kept: list[int] = field(default_factory=list)
    lengths_dropped: list[int] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    peak_bytes: int = 0

    COUNTERS = ("dropped", "edits", "noted", "seconds")

    def note_sample(self, reason: str, where: str, text: str) -> None:
        """Remember a record that was left out, if it is among the first for its reason."""
        samples = self.samples.setdefault(reason, [])
        if len(samples) < SAMPLES_OF_A_KIND:
            samples.append({"where": where, "text": text[:SAMPLE_CHARACTERS]})

    def note_problem(self, where: str, reason: str) -> None:
        """Remember a problem, if it is among the first of its kind: no kind is to hide the others."""
        problem = f"{where}: {reason}"
        if sum(kind_of(other) == kind_of(problem) for other in self.problems) < PROBLEMS_OF_A_KIND:
            self.problems.append(problem)

    def count_records(self, file: int, count: int) -> None:
        """Add to the records of a file."""
        missing = file - self.first_file + 1 - len(self.records_by_file)
        self.records_by_file += [0] * missing
        self.records_by_file[file - self.first_file] += count
        self.records += count


@dataclass(slots=True)
class VolumeSummary(Summary):
    """What marking and writing some consecutive units came to.

    Attributes:
        parts: what was written, as `PartInfo` values.
        documents, heldout, characters: written; `heldout` of the documents are held out.
        characters_read: what the volume's documents had before duplicates were dropped.
        dropped: reason to number of documents left out.
        dropped_characters: reason to number of characters left out.
        edits: what was cut out or changed in documents that stay, to how often.
        documents_by_source, characters_by_source, documents_by_script, characters_by_script: written.
        documents_by_file: number of the raw file (as text) to documents written.
        lengths: documents written by length, between `LENGTH_EDGES`.
        seconds, peak_bytes: as of a unit of blocks.
    """

    number: int
    parts: list[dict[str, Any]] = field(default_factory=list)
    documents: int = 0
    heldout: int = 0
    characters: int = 0
    characters_read: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_characters: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    documents_by_source: Counter[str] = field(default_factory=Counter)
    characters_by_source: Counter[str] = field(default_factory=Counter)
    documents_by_script: Counter[str] = field(default_factory=Counter)
    characters_by_script: Counter[str] = field(default_factory=Counter)
    documents_by_file: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    peak_bytes: int = 0

    COUNTERS = (
        "dropped",
        "dropped_characters",
        "edits",
        "documents_by_source",
        "characters_by_source",
        "documents_by_script",
        "characters_by_script",
        "documents_by_file",
        "seconds",
    )


@contextmanager
def timed(seconds: Counter[str], step: str) -> Iterator[None]:
    """Add the time of the block to a step's."""
    begin = perf_counter()
    yield
    seconds[step] += perf_counter() - begin  # type: ignore[assignment]  # counters of floats add up too


def length_counts(texts: Iterable[str]) -> list[int]:
    """How many texts there are between each two of `LENGTH_EDGES`; longer ones count with the last."""
    return histogram(np.fromiter(map(len, texts), dtype=np.int64))


def histogram(lengths: NDArray[np.int64]) -> list[int]:
    """How many lengths there are between each two of `LENGTH_EDGES`."""
    clipped = np.minimum(lengths, LENGTH_EDGES[-1] - 1)
    counts: list[int] = np.histogram(clipped, bins=LENGTH_EDGES)[0].tolist()
    return counts


def kind_of(problem: str) -> str:
    """Of `file, line N: what (where in it)` the what."""
    return problem.rpartition(": ")[2].partition(" (")[0]


def peak_memory() -> int:
    """The most memory this process has used so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # `getrusage` also counts what the process had that this one was started from
        found = re.search(r"^VmHWM:\s+(\d+) kB$", status.read_text(encoding="ascii"), re.M)
        if found is not None:
            return int(found[1]) << 10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10


def _revived(is_counter: bool, value: Any) -> Any:
    return Counter(value) if is_counter else value
