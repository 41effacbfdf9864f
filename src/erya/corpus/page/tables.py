"""Tables whose numbers carry bars, and rows that open to samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MOST_ROWS = 30
_MOST_SAMPLES = 6
_SAMPLE_CHARACTERS = 300
_NAME_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Sample:
    """A text shown as an example.

    Attributes:
        where: file and line.
        text: the text, or its beginning.
    """

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """A number of a table.

    Attributes:
        value: what is printed; None where it is not known.
        share: printed beside it as a percentage, in [0, 1]; None where there is no whole.
        width: length of its bar in [0, 1]; None for no bar.
    """

    value: float | None
    share: float | None = None
    width: float | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table; `samples` open below it."""

    name: str
    cells: tuple[Cell, ...]
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class BarTable:
    """A table of counts.

    Attributes:
        headings: of the names and of each column.
        rows: the largest first, the smallest as one row "N others".
    """

    headings: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def barred(self) -> tuple[bool, ...]:
        """Whether each column of numbers has bars."""
        columns = zip(*(row.cells for row in self.rows), strict=True)
        return tuple(any(cell.width is not None for cell in column) for column in columns)


def count_table(
    counts: Mapping[str, int],
    headings: tuple[str, str],
    *,
    whole: int | None = None,
    samples: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> BarTable:
    """One count a name, the most frequent first.

    Args:
        counts: name to count.
        headings: of the names and of the counts.
        whole: what the shares are shares of; None for no shares.
        samples: name to `{"where": ..., "text": ...}`.
    """
    parts = {name: {headings[1]: count} for name, count in counts.items()}
    return part_table(parts, headings, wholes={headings[1]: whole} if whole else {}, samples=samples)


def part_table(
    parts: Mapping[str, Mapping[str, int]],
    headings: Sequence[str],
    *,
    wholes: Mapping[str, int],
    samples: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
) -> BarTable:
    """Several counts a name, ordered by the first, with bars as long as their share of the longest.

    Args:
        parts: name to heading to count.
        headings: of the names and of each column.
        wholes: heading to what the shares of its column are shares of; those without have no shares.
        samples: name to `{"where": ..., "text": ...}`.
    """
    columns = headings[1:]
    ordered = sorted(parts, key=lambda name: (-parts[name].get(columns[0], 0), name))
    shown, rest = ordered[:_MOST_ROWS], ordered[_MOST_ROWS:]
    lines = [(name, [parts[name].get(column, 0) for column in columns]) for name in shown]
    if rest:
        sums = [sum(parts[name].get(column, 0) for name in rest) for column in columns]
        lines.append((f"{len(rest):,} others", sums))
    longest = [max((counts[k] for _, counts in lines), default=0) for k in range(len(columns))]
    rows = [
        Row(
            name=clip(name),
            cells=tuple(
                Cell(count, _share(count, wholes.get(column)), _share(count, top))
                for count, column, top in zip(counts, columns, longest, strict=True)
            ),
            samples=to_samples((samples or {}).get(name)),
        )
        for name, counts in lines
    ]
    return BarTable(tuple(headings), tuple(rows))


def to_samples(samples: Sequence[Mapping[str, Any]] | None) -> tuple[Sample, ...]:
    """The first of the samples, their texts cut."""
    return tuple(
        Sample(clip(str(sample.get("where", ""))), clip(str(sample.get("text", "")), _SAMPLE_CHARACTERS))
        for sample in (samples or ())[:_MOST_SAMPLES]
    )


def clip(text: str, longest: int = _NAME_CHARACTERS) -> str:
    """At most `longest` characters; says how many more there were."""
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text) - longest:,} more)"


def _share(count: float, whole: float | None) -> float | None:
    return count / whole if whole else None
