"""Curves made of characters, for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

_BLOCKS = "▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
# The dots of a Braille sign, by column and row.
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))


def sparkline(values: Sequence[float], *, width: int) -> str:
    """Values as a line of blocks, the mean of neighbours where there are more than fit.

    Args:
        values: finite numbers, in order.
        width: most characters.
    """
    means = _means(values, width)
    if not means:
        return ""
    low, span = min(means), max(means) - min(means)
    heights = [0 if span == 0 else round((value - low) / span * (len(_BLOCKS) - 1)) for value in means]
    return "".join(_BLOCKS[height] for height in heights)


def plot(points: Sequence[tuple[float, float]], *, width: int, height: int) -> list[str]:
    """A curve as lines of text, its least and greatest values at the left.

    Args:
        points: (x, y), finite; at least one.
        width: characters of a line, at least 20.
        height: lines of the curve.
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    low, high = min(ys), max(ys)
    labels = [_short(value) for value in (high, low)]
    margin = max(map(len, labels)) + 1
    columns, rows = 2 * (width - margin - 1), 4 * height
    signs = [[_BRAILLE] * (width - margin - 1) for _ in range(height)]
    for column, value in _by_column(points, min(xs), max(xs), columns):
        share = 0.5 if high == low else (high - value) / (high - low)
        row = min(int(share * rows), rows - 1)
        signs[row // 4][column // 2] |= _DOTS[column % 2][row % 4]
    named = {0: labels[0], height - 1: labels[1]}
    drawn = ["".join(map(chr, line)) for line in signs]
    lines = [f"{named.get(row, ''):>{margin - 1}} ┤{line}" for row, line in enumerate(drawn)]
    first, last = f"{min(xs):,.0f}", f"{max(xs):,.0f}"
    return [*lines, " " * margin + "└" + first + last.rjust(width - margin - 1 - len(first))]


def _by_column(
    points: Sequence[tuple[float, float]], first: float, last: float, columns: int
) -> list[tuple[int, float]]:
    """Mean of the points in each column that has some; a line between neighbours fills the others."""
    found: dict[int, list[float]] = {}
    for x, y in points:
        share = 0.0 if last == first else (x - first) / (last - first)
        found.setdefault(min(int(share * columns), columns - 1), []).append(y)
    means = [(column, sum(ys) / len(ys)) for column, ys in sorted(found.items())]
    filled = means[:1]
    for column, value in means[1:]:
        start, before = filled[-1]
        steps = column - start
        filled += [(start + k, before + (value - before) * k / steps) for k in range(1, steps + 1)]
    return filled


def _means(values: Sequence[float], width: int) -> list[float]:
    if len(values) <= width:
        return list(values)
    edges = [len(values) * place // width for place in range(width + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def _short(value: float) -> str:
    return f"{value:.4g}"
