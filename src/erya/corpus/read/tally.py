"""What reading counts besides the records that it gives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# Why a record is left out.
NOT_JSON = "not a JSON object"
NO_FIELD = "no text in the field"
ONE_OF_PAIR = "only one text of the pair"
BROKEN_ROW = "a broken CSV row"
NUM_FIELDS = "another number of fields than the first row"
OUTSIDE = "text outside of <doc>"
# What is mended, and the record kept.
BAD_BYTES = "bad bytes"
NUL_BYTES = "NUL bytes"
NO_END = "a <doc> without its end"

_EXAMPLES = 5


def read_as(encoding: str) -> str:
    """What lines are counted under that are in another encoding than their file."""
    return f"read as {encoding}"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that was left out or mended.

    Attributes:
        line: where its record or line begins, from 1.
        kind: what it was, as it is counted.
        place: where in the line; "" for the whole.
    """

    line: int
    kind: str
    place: str = ""

    @property
    def reason(self) -> str:
        """The kind, with the place if there is one."""
        return f"{self.kind} ({self.place})" if self.place else self.kind


@dataclass(slots=True)
class ReadTally:
    """Counts of reading; one for a block, or for as many as are read with it.

    Attributes:
        records: how many records there were, those left out among them.
        dropped: reason to how many were left out.
        noted: what was mended to how much of it: bad bytes and NUL bytes by the byte, lines in another
            encoding by the line.
        problems: the first few of each kind.
        fields: names of the fields of the first record without text, to say what there is.
    """

    records: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    fields: tuple[str, ...] = ()

    def drop(self, line: int, reason: str) -> None:
        """Count a record that is left out."""
        self.dropped[reason] += 1
        self._remember(Problem(line, reason))

    def note(self, line: int, kind: str, *, count: int = 1, place: str = "") -> None:
        """Count something that was mended."""
        self.noted[kind] += count
        self._remember(Problem(line, kind, place))

    def _remember(self, problem: Problem) -> None:
        if sum(other.kind == problem.kind for other in self.problems) < _EXAMPLES:
            self.problems.append(problem)
