"""What a person sees of a run: a panel on a terminal, lines in a log file."""

import io

import pytest
from rich.console import Console

from erya.cli import training_progress
from erya.cli.training_progress import TrainingProgress
from erya.train.protocols import RunStart, StepReport


def report(step: int, **changes: object) -> StepReport:
    values: dict[str, object] = {
        "step": step,
        "epoch": 1,
        "loss": 5.0,
        "grad_norm": 1.25,
        "lr": 3e-4,
        "tokens": 1000 * step,
        "tokens_per_s": 12345.0,
        "progress": step / 200,
        "extra": {"data_wait_s": 0.012, "utilisation": 0.45, "epoch_share": 0.25},
    }
    return StepReport(**(values | changes))  # type: ignore[arg-type]


def shown(progress: TrainingProgress, *, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, soft_wrap=True)
    console.print(progress._panel())
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def started(**options: object) -> tuple[TrainingProgress, io.StringIO]:
    stream = io.StringIO()
    progress = TrainingProgress(Console(file=stream, width=80, soft_wrap=True, **options))  # type: ignore[arg-type]
    progress.on_start(RunStart(step=0, total_steps=200, num_parameters=1_500_000))
    return progress, stream


@pytest.mark.parametrize("width", [40, 80])
def test_the_panel_fits_and_says_where_the_run_is(width: int) -> None:
    progress, _ = started()
    for step in range(1, 51):
        progress.on_step(report(step, loss=8 - step / 10))
    progress.on_evaluate(50, {"eval_loss": 4.5, "eval_masked_accuracy": 0.3})
    lines = shown(progress, width=width)
    assert len(lines) == 4 and max(map(len, lines)) <= width
    assert lines[0].startswith("step 50/200") and "25%" in lines[0] and lines[0].endswith("left")
    assert "█" in lines[1] and "▁" in lines[1]
    if width == 80:
        assert "rate 3.00e-04  gradient 1.25" in lines[1]
        assert "12,345 tokens/s  45% of the matrix rate  waited 12 ms for data  epoch 1 25%" in lines[2]
        assert lines[3].startswith("held out at step 50: loss 4.5000  masked_accuracy 0.3000")


def test_skipped_steps_are_counted() -> None:
    progress, _ = started()
    progress.on_step(report(1))
    progress.on_step(report(2, loss=None, grad_norm=None, skipped="the loss is nan"))
    assert shown(progress, width=100)[2].endswith("1 skipped")


def test_a_log_file_has_a_line_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 100_000, 16))
    monkeypatch.setattr(training_progress.time, "monotonic", lambda: float(next(clock)))
    progress, stream = started()
    for step in range(1, 9):
        progress.on_step(report(step, extra={}))
    progress.on_end()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "1.5 M parameters"
    assert 2 <= len(lines) < 9
    assert lines[1] == "0%  step 1/200  loss 5.0000  12,345 tokens/s  epoch 1"
    assert lines[2].startswith("2%  step 3/200") and lines[2].endswith("left")
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_has_a_panel_that_goes_away() -> None:
    progress, stream = started(force_terminal=True)
    progress.on_step(report(1))
    progress.on_message("something happened")
    progress.on_end()
    assert "something happened" in stream.getvalue()
    assert "step 1/200" in stream.getvalue()
    # Cursor up and line erased: nothing of the panel stays.
    assert stream.getvalue().rstrip("\x1b[?25h\n").endswith("\x1b[2K")
