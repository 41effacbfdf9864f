"""What is wrong with data and can be left out: refused at the first, or counted with its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from erya.errors import InputError


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: what sort of thing, a few words; problems of one kind are counted together.
        what: what is wrong here, one sentence.
        where: the place: a file, a line, a field.
        line: the line, from 1.
        done: what happens to it where it is not refused, such as "the entity is left out".
    """

    kind: str
    what: str
    where: str
    line: int
    done: str


# Told of each problem: raises where it is to be refused, otherwise what `Problem.done` says is done.
Report: TypeAlias = Callable[[Problem], None]


def refuse(problem: Problem) -> None:
    """Raise for any problem.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"{problem.kind}: {problem.what}", where=problem.where, hint=f"mend it, or skip it ({problem.done})"
    )


@dataclass(slots=True)
class Problems:
    """Counts problems and keeps the first of each kind; `note` is a `Report`.

    Attributes:
        longest: how many of each kind are kept.
        counts: how many there were of each kind.
        kept: the first of each kind.
    """

    longest: int = 50
    counts: Counter[str] = field(default_factory=Counter)
    kept: dict[str, list[Problem]] = field(default_factory=dict)

    def note(self, problem: Problem) -> None:
        """Count a problem."""
        self.counts[problem.kind] += 1
        kept = self.kept.setdefault(problem.kind, [])
        if len(kept) < self.longest:
            kept.append(problem)

    def lines(self) -> list[str]:
        """A line for each kind: how many, what is done, and where the first stands."""
        return [
            f"{count:,} x {kind} ({self.kept[kind][0].done}); the first: {self.kept[kind][0].where}: "
            f"{self.kept[kind][0].what}"
            for kind, count in self.counts.items()
        ]
