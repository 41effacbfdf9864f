"""`erya`: the table of verbs, and what happens when one fails."""

from __future__ import annotations

import importlib
import os
import sys

import typer

from erya import __version__
from erya.cli.console import messages
from erya.errors import EryaError

# Each module has `register(app)`, which adds its verb. They import torch only inside their functions.
VERBS = ("corpus", "vocab", "tokenize", "pretrain", "finetune", "evaluate", "predict", "text", "info", "demo")


def build() -> typer.Typer:
    """The command line with all its verbs."""
    app = typer.Typer(
        name="erya",
        help="Erya 尔雅: raw Chinese text to a served Chinese encoder.",
        epilog="Start with: erya demo",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for verb in VERBS:
        importlib.import_module(f"erya.cli.{verb}").register(app)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exit 0 when it worked, 2 for the user's mistake, 1 for ours."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    try:
        command = typer.main.get_command(build())
        status = command.main(arguments, prog_name="erya", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except EryaError as error:
        for line in error.lines():
            messages.print(line, markup=False, style="red" if line == error.what else None)
        return 2
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]  # what typer raises for a usage mistake has it
        return 2
    except (typer.Abort, KeyboardInterrupt):
        messages.print("interrupted")
        return 130
    except BrokenPipeError:
        # The reader left (`| head`): not an error. Keep Python from complaining when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception:
        messages.print_exception(max_frames=20)
        messages.print("This is a bug in Erya: please report it with the lines above.")
        return 1


def _root(
    version: bool = typer.Option(
        False,
        "--version",
        callback=lambda wanted: _print_version(wanted),
        is_eager=True,
        help="Print the version.",
    ),
) -> None:
    pass


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit
