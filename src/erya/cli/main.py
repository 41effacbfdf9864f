"""`erya`: the table of verbs, and what happens when one fails."""

from __future__ import annotations

import importlib
import io
import os
import sys

import typer

from erya import __version__
from erya.cli.console import messages
from erya.errors import EryaError, StorageError
from erya.runtime import is_out_of_memory, missing_extra, shortage

# Each module has `register(app)`, which adds its verb. They import torch only inside their functions.
VERBS = (
    "corpus",
    "vocab",
    "tokenize",
    "pretrain",
    "check",
    "finetune",
    "tune",
    "evaluate",
    "predict",
    "search",
    "import_model",
    "export",
    "text",
    "info",
    "models",
    "demo",
)


def build() -> typer.Typer:
    """The command line with all its verbs."""
    app = typer.Typer(
        name="erya",
        help="Erya 尔雅: raw Chinese text to a served Chinese encoder.",
        epilog="Example, and a good start: erya demo",
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
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Results are UTF-8 whatever the locale, but for somebody who looks at them. JSON may hold half an
        # emoji, which UTF-8 cannot: it is written as JSON escapes it.
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status."""
    try:
        command = typer.main.get_command(build())
        status = command.main(arguments, prog_name="erya", standalone_mode=False)
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except EryaError as error:
        return _tell(error)
    except ModuleNotFoundError as error:
        missing = missing_extra(error)
        return _tell(missing) if missing is not None else _tell_bug()
    except typer.TyperException as error:
        error.show()  # type: ignore[attr-defined]  # what typer raises for a usage mistake has it
        return 2
    except (typer.Abort, KeyboardInterrupt):
        messages.print("interrupted")
        return 130
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as leaving:
        # Typer turns a broken pipe into an exit with 1.
        return _reader_left() if isinstance(leaving.__context__, BrokenPipeError) else _status(leaving)
    except OSError as error:
        return _tell_refusal(error)
    except Exception as error:
        return _tell_shortage(error) if is_out_of_memory(error) else _tell_bug()


def _reader_left() -> int:
    """Nobody reads the results any more (`| head`): not an error."""
    _drop_results()
    return 0


def _status(leaving: SystemExit) -> int:
    """The exit status as Python itself would have it: nothing is 0, words are printed and 1."""
    if leaving.code is None or isinstance(leaving.code, int):
        return leaving.code or 0
    messages.print(str(leaving.code), markup=False)
    return 1


def _tell(error: EryaError) -> int:
    if "TORCHELASTIC_RUN_ID" in os.environ and not _is_spokesman():
        return 2
    for line in error.lines():
        messages.print(line, markup=False, style="red" if line == error.what else None)
    return 2


def _is_spokesman() -> bool:
    """Of the processes that train together one says why the run ends."""
    from erya.train.ranks import is_spokesman

    return is_spokesman()


def _tell_refusal(error: OSError) -> int:
    """The machine refused (no permission, no space): the user can mend that, we cannot."""
    _drop_results()
    where = None if error.filename is None else str(error.filename)
    return _tell(StorageError(f"cannot read or write: {error.strerror or error}", where=where))


def _tell_shortage(error: Exception) -> int:
    """There is not enough memory; whoever trains knows more and says it."""
    hint = "use a smaller model or smaller batches, or free memory; a run goes on from its last checkpoint"
    return _tell(EryaError(f"there is not enough memory: {shortage(error)}", hint=hint))


def _tell_bug() -> int:
    messages.print_exception(max_frames=20)
    messages.print("This is a bug in Erya: please report it with the lines above.")
    return 1


def _drop_results() -> None:
    """Keep Python from complaining when it flushes a stdout that takes no more."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
