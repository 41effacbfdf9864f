"""What the units of a cleaning job count, each for itself: kept as JSON, added up at the end."""

from __future__ import annotations

import resource
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from time import perf_counter
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

# Documents are counted by length between these numbers of characters.
LENGTH_EDGES = (0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 1_000_000)
SAMPLES_OF_A_KIND = 3
SAMPLE_CHARACTERS = 200


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
    """What reading, cleaning and filtering one block came to.

    Attributes:
        path, file, block: the raw file, its number, and the number of the block in it.
        position: how far into the file, as it is stored, the block ends, in bytes.
        raw_bytes: the text of the block, decompressed.
        records: raw records; `documents` of them are left, with so many `characters`.
        dropped: reason to number of records left out.
        edits: what was cut out or masked in documents that stay, to how often.
        noted: what was mended (damaged bytes, lines in another encoding), to how often.
        samples: reason to the first few records left out for it, as {where, text}.
        problems: the first few lines that could not be read, as `file, line N: reason`.
        first_problem: the first of them as (line, reason); None if there is none.
        fields: the fields of the first record without text, to say what there is.
        lengths_kept, lengths_dropped: documents by length, between `LENGTH_EDGES`.
        seconds: step to the time it took.
        peak_bytes: the most memory the process had used by then.
    """

    path: str
    file: int
    block: int
    position: int
    raw_bytes: int
    records: int = 0
    documents: int = 0
    characters: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    edits: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    lengths_kept: list[int] = field(default_factory=list)
    lengths_dropped: list[int] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)
    peak_bytes: int = 0

    COUNTERS = ("dropped", "edits", "noted", "seconds")

    def note_sample(self, reason: str, line: int, text: str) -> None:
        """Remember a record that was left out, if it is among the first for its reason."""
        samples = self.samples.setdefault(reason, [])
        if len(samples) < SAMPLES_OF_A_KIND:
            samples.append({"where": f"{self.path}, line {line}", "text": text[:SAMPLE_CHARACTERS]})


@dataclass(slots=True)
class VolumeSummary(Summary):
    """What marking and writing some consecutive blocks came to.

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
        seconds, peak_bytes: as of a block.
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


def peak_memory() -> int:
    """The most memory this process has used so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _revived(is_counter: bool, value: Any) -> Any:
    return Counter(value) if is_counter else value
