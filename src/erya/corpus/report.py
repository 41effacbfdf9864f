"""What a corpus job did: counts that are shown, and kept beside the documents."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from erya.corpus.stages import Outcome

DUPLICATE = "duplicate"
_EXAMPLES = 20


@dataclass(slots=True)
class CleanReport:
    """The counts of `erya corpus clean`.

    Attributes:
        records: raw records read.
        kept: documents written; `heldout` of them are held out.
        characters: characters of the documents written.
        raw_bytes: bytes read, after decompression.
        dropped: reason to number of records left out.
        damaged: lines in which bytes that could not be read became U+FFFD.
        sources: source to number of documents written.
        problems: the first lines left out or mended, as `file, line N: reason`.
        seconds: time the job took.
    """

    records: int = 0
    kept: int = 0
    heldout: int = 0
    characters: int = 0
    raw_bytes: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    damaged: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def megabytes_per_s(self) -> float:
        """Raw megabytes (10^6 bytes, after decompression) a second."""
        return self.raw_bytes / 1e6 / self.seconds if self.seconds else 0.0

    def add(self, outcome: Outcome) -> None:
        """Take in what one block came to, but for its documents: which of them are new is not known here."""
        self.records += outcome.records
        self.raw_bytes += outcome.block_bytes
        self.dropped += outcome.dropped
        self.damaged += outcome.damaged
        room = _EXAMPLES - len(self.problems)
        self.problems += [
            f"{outcome.path}, line {problem.line}: {problem.reason}" for problem in outcome.problems[:room]
        ]

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able values."""
        return {
            "records": self.records,
            "kept": self.kept,
            "heldout": self.heldout,
            "dropped": dict(self.dropped.most_common()),
            "damaged": self.damaged,
            "characters": self.characters,
            "raw_bytes": self.raw_bytes,
            "seconds": round(self.seconds, 2),
            "megabytes_per_s": round(self.megabytes_per_s, 2),
            "sources": dict(self.sources.most_common()),
            "problems": self.problems,
        }

    def rows(self) -> list[dict[str, Any]]:
        """The report as rows of a table for people."""
        counts = [
            ("records read", f"{self.records:,}"),
            *((f"dropped: {reason}", f"{count:,}") for reason, count in self.dropped.most_common()),
            ("documents kept", f"{self.kept:,}"),
            ("of these held out", f"{self.heldout:,}"),
            ("characters", f"{self.characters:,}"),
            *([("lines with damaged bytes", f"{self.damaged:,}")] if self.damaged else []),
            ("raw text", f"{self.raw_bytes / 1e6:,.1f} MB"),
            ("time", f"{self.seconds:,.1f} s ({self.megabytes_per_s:.1f} MB/s)"),
        ]
        return [{"what": what, "count": count} for what, count in counts]
