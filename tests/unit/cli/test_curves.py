"""Curves made of characters show the numbers they are made of."""

import pytest

from erya.cli.curves import plot, sparkline


def test_a_sparkline_rises_and_falls_with_its_values() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], width=8) == "▁▂▃▄▅▆▇█"
    assert sparkline([7, 0], width=8) == "█▁"
    assert sparkline([5, 5, 5], width=8) == "▁▁▁"
    assert sparkline([], width=8) == ""


def test_a_sparkline_takes_means_where_there_are_too_many_values() -> None:
    assert sparkline([0, 2, 9, 9, 4, 6], width=3) == "▁█▅"
    assert len(sparkline(list(range(1000)), width=24)) == 24


@pytest.mark.parametrize("height", [1, 4])
def test_a_plot_has_its_ends_named_and_one_width(height: int) -> None:
    lines = plot([(10, 4.0), (500, 2.0), (2000, 1.5)], width=40, height=height)
    assert len(lines) == height + 1
    assert {len(line) for line in lines} == {40}
    assert lines[0].startswith("  4 ┤" if height > 1 else "1.5 ┤")
    assert lines[-1].split() == ["└10", "2,000"]


def test_a_falling_curve_begins_high_and_ends_low() -> None:
    lines = plot([(0, 8.0), (1, 0.0)], width=30, height=4)
    curve = [line.partition("┤")[2] for line in lines[:-1]]
    assert curve[0][0] != "⠀" and curve[0][-1] == "⠀"
    assert curve[-1][-1] != "⠀" and curve[-1][0] == "⠀"
    assert all(any(line[column] != "⠀" for line in curve) for column in range(len(curve[0])))


def test_a_single_point_is_drawn() -> None:
    assert any("⠁" <= sign <= "⣿" for line in plot([(3, 2.5)], width=20, height=3) for sign in line)
