"""`erya finetune TASK --find-rate`: which learning rate to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from erya.cli.console import messages, print_json
from erya.cli.curves import plot
from erya.cli.speaking import tell

if TYPE_CHECKING:
    from erya.tasks.rate_finder import RateCurve
    from erya.tasks.recipe import FinetuneRecipe

_STEPS = 200
_WIDTH, _HEIGHT = 72, 8


def find_rate(config: FinetuneRecipe, out: Path, *, as_json: bool) -> None:
    """Look for it, write `rate.html` and `rate.json` into `out`, and print what was found."""
    from erya.tasks.rate_page import write_rate
    from erya.tasks.rate_search import search_rate

    columns = [TextColumn("raising the rate"), BarColumn(), TextColumn("{task.fields[loss]}")]
    bar = Progress(
        *columns, TimeRemainingColumn(), console=messages, transient=True, redirect_stdout=False,
        disable=not messages.is_terminal,
    )  # fmt: skip
    with bar:
        shown = bar.add_task("", total=_STEPS, loss="")
        curve = search_rate(
            config,
            num_steps=_STEPS,
            progress=lambda step, loss: bar.update(shown, completed=step, loss=f"loss {loss:.4f}"),
            tell=tell,
        )
    page = write_rate(out, curve, title=f"{config.kind} · {config.model} · {config.train_file}")
    if as_json:
        print_json({"page": str(page), **curve.to_dict()})
    else:
        _show(curve, page)


def _show(curve: RateCurve, page: Path) -> None:
    points = [(float(step), float(loss)) for step, loss in enumerate(curve.smoothed)]
    for line in plot(points, width=_WIDTH, height=_HEIGHT):
        messages.print(line, markup=False)
    messages.print(f"rates from {curve.rates[0]:.1e} to {curve.rates[-1]:.1e}: {page}", markup=False)
    for rate, where, never in (
        (curve.steepest, "falls fastest at", "never falls"),
        (curve.diverged, "leaps up at", "leaps up nowhere"),
    ):
        messages.print(f"the loss {never}" if rate is None else f"the loss {where} {rate:.1e}")
    if curve.suggestion is None:
        tell("warning: nothing to suggest; are the labels right?")
        return
    print(f"train.learning_rate={curve.suggestion:.1e}")
