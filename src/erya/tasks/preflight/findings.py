"""What a pre-flight found, in a form that is printed, kept as JSON and shown as a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

# An error makes training impossible or pointless, a warning its score, a note neither.
Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")

# So many places of a finding are kept, and so many of them said.
MOST_PLACES = 10_000
_SAID = 3
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands.

    Attributes:
        file: which of the files: training, dev or test.
        line: the line, from 1; of a Parquet file the row.
        what: what stands there, or what it belongs to.
    """

    file: str
    line: int
    what: str = ""

    def __str__(self) -> str:
        return f"{self.file} line {self.line}" + (f" ({self.what[:_SHOWN]})" if self.what else "")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing.

    Attributes:
        name: what sort of thing, a few words that stay the same.
        level: how bad it is.
        what: what was found, one sentence.
        hint: what to do about it; empty where nothing has to be.
        count: how many examples it is about.
        places: where the first of them stand.
    """

    name: str
    level: Level
    what: str
    hint: str = ""
    count: int = 0
    places: tuple[Place, ...] = ()

    def line(self) -> str:
        """The finding in a line, with its first places."""
        said = "; ".join(map(str, self.places[:_SAID]))
        more = f" and {self.count - _SAID:,} more" if self.count > _SAID and said else ""
        where = f" [{said}{more}]" if said else ""
        return f"{self.level}: {self.what}{where}" + (f"; {self.hint}" if self.hint else "")


def counted(number: int, noun: str) -> str:
    """A number with what it counts: 1 dev text, 2,000 dev texts, 3 classes."""
    plural = noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def finding(
    name: str,
    level: Level,
    what: str,
    places: Iterable[Place] = (),
    *,
    hint: str = "",
    count: int | None = None,
) -> Finding:
    """A finding about `places`, of which as many are kept as anyone mends."""
    known = list(places)
    number = len(known) if count is None else count
    return Finding(name, level, what, hint, number, tuple(known[:MOST_PLACES]))


@dataclass(slots=True)
class Findings:
    """All that was found.

    Attributes:
        task: the kind of the task.
        files: path and number of examples of each file, by training, dev and test.
        findings: errors first.
        labels: how many of each label each file has, by label and file; empty where there are none.
        lengths: tokens of the inputs of each file: see `Lengths.to_dict`; empty where no model was given.
        overfit: losses of the one-batch check, one a step; empty where it was not made.
    """

    task: str
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    labels: dict[str, dict[str, int]] = field(default_factory=dict)
    lengths: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    overfit: list[float] = field(default_factory=list)

    def add(self, found: Iterable[Finding]) -> None:
        """Add findings; they stay in the order of how bad they are."""
        self.findings = sorted([*self.findings, *found], key=lambda each: LEVELS.index(each.level))

    def of_level(self, level: Level) -> list[Finding]:
        """The findings that are so bad."""
        return [each for each in self.findings if each.level == level]

    @property
    def has_errors(self) -> bool:
        """Whether training would be impossible or pointless."""
        return bool(self.of_level("error"))

    def names(self) -> set[str]:
        """What sorts of things were found."""
        return {each.name for each in self.findings}

    def lines(self) -> list[str]:
        """Everything that was found, a line each."""
        return [each.line() for each in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return {"ok": not self.has_errors, **asdict(self)}
