import json
import math
import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from features_source import FeaturesSource
from toy_model import ToyRecipe, ToyTrainable, toy_features, toy_recipe, toy_run

from erya.data.batches import PackedBatch
from erya.data.plan import WHOLE, Share
from erya.errors import CheckpointError, ConfigError, InputError, StorageError, TrainingError
from erya.files import exclusive
from erya.train.ahead import SPARING
from erya.train.checkpoint_tensors import read_weights
from erya.train.loop import train
from erya.train.protocols import Callback, RunStart, StepReport


def lines(directory: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def losses(directory: Path) -> dict[int, float]:
    return {int(line["step"]): line["loss"] for line in lines(directory) if "loss" in line}


def checkpoints(directory: Path) -> list[str]:
    return sorted(path.name for path in (directory / "checkpoints").iterdir())


class Stop(Callback):
    """Does something after a step."""

    def __init__(self, step: int, *, signal_number: int | None = None) -> None:
        self.step, self.signal_number, self.messages = step, signal_number, list[str]()
        self.start: RunStart | None = None
        self.evaluations: list[int] = []
        self.ended = 0

    def on_start(self, start: RunStart) -> None:
        self.start = start

    def on_step(self, report: StepReport) -> None:
        if report.step == self.step:
            if self.signal_number is None:
                raise RuntimeError("power cut")
            os.kill(os.getpid(), self.signal_number)

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        self.evaluations.append(step)

    def on_message(self, text: str) -> None:
        self.messages.append(text)

    def on_end(self) -> None:
        self.ended += 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ToyTrainable]:
    directory, trainable = tmp_path_factory.mktemp("whole"), ToyTrainable()
    toy_run(directory, trainable)
    return directory, trainable


def test_a_run_learns_and_writes_its_record(tmp_path: Path) -> None:
    toy_run(tmp_path, recipe=toy_recipe(steps=120, learning_rate=0.03))
    series = list(losses(tmp_path).values())
    assert sum(series[-20:]) < 0.8 * sum(series[:20])
    first = lines(tmp_path)[0]
    assert {"step", "loss", "tokens", "tokens_per_s", "lr", "grad_norm"} <= first.keys()
    assert list((tmp_path / "tensorboard").iterdir())
    assert "learning_rate: 0.03" in (tmp_path / "recipe.yaml").read_text()


@pytest.mark.parametrize("cut", [1, 5, 7, 13, 19])
def test_a_run_cut_off_and_resumed_equals_the_uncut_one(
    cut: int, tmp_path: Path, whole: tuple[Path, ToyTrainable]
) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(tmp_path, callbacks=[Stop(cut)])
    resumed = ToyTrainable()
    with torch.no_grad():
        resumed.module.words.weight.zero_()
        resumed = resumed if cut > 5 else ToyTrainable()
    toy_run(tmp_path, resumed)
    assert losses(tmp_path) == losses(whole[0])
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 21))
    for one, other in zip(resumed.module.parameters(), whole[1].module.parameters(), strict=True):
        assert torch.equal(one, other)


class CountingSource(FeaturesSource):
    """Remembers which batches were asked for, and which epochs were counted."""

    asked: set[tuple[int, int]]
    counted: set[int]

    def __init__(self) -> None:
        super().__init__(toy_features(), batch_tokens=40)
        self.asked, self.counted = set(), set()

    def num_batches(self, epoch: int) -> int:
        self.counted.add(epoch)
        return super().num_batches(epoch)

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        self.asked.add((epoch, index))
        return super().batch(epoch, index, share)


def test_a_resumed_run_reads_nothing_of_what_is_behind_it(tmp_path: Path) -> None:
    """However far it is: its first batch is that of its place."""
    place = toy_run(tmp_path, recipe=toy_recipe(steps=60)).state
    recipe, source = toy_recipe(steps=61), CountingSource()
    assert place.epoch >= 5
    train(ToyTrainable(), source, recipe=recipe.train, run_recipe=recipe, directory=tmp_path)
    assert min(source.asked) == (place.epoch, place.batch)
    assert len(source.asked) <= 1 + SPARING.depth and min(source.counted) == place.epoch


def test_the_last_checkpoints_are_kept(whole: tuple[Path, ToyTrainable]) -> None:
    assert checkpoints(whole[0]) == ["step-15", "step-20"]


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    for _ in range(2):
        result = toy_run(tmp_path, evaluate=lambda: {"eval_loss": 1.0})
        assert result.state.step == 20
    assert [line["step"] for line in lines(tmp_path) if "eval_loss" in line] == [8, 16, 20]


def test_a_run_may_be_made_longer(tmp_path: Path) -> None:
    toy_run(tmp_path)
    assert toy_run(tmp_path, recipe=toy_recipe(steps=23)).state.step == 23
    assert list(losses(tmp_path)) == list(range(1, 24))


def test_a_run_made_longer_in_its_stable_part_is_the_longer_run(tmp_path: Path) -> None:
    def recipe(steps: int) -> ToyRecipe:
        return toy_recipe(steps=steps, schedule="wsd", warmup_steps=3, decay_ratio=0.25)

    toy_run(tmp_path / "long", recipe=recipe(40))
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(tmp_path / "short", recipe=recipe(20), callbacks=[Stop(15)])
    toy_run(tmp_path / "short", recipe=recipe(40))
    assert losses(tmp_path / "short") == losses(tmp_path / "long")
    rates = [line["lr"] for line in lines(tmp_path / "short") if "lr" in line]
    assert rates[2] < rates[3] == rates[29] > rates[30] > rates[39] > 0


def test_another_recipe_is_refused_and_named(tmp_path: Path) -> None:
    toy_run(tmp_path)
    with pytest.raises(ConfigError, match=r"train\.weight_decay was 0\.01, is 0\.5\n") as caught:
        toy_run(tmp_path, recipe=toy_recipe(weight_decay=0.5, steps=30))
    assert str(tmp_path) in str(caught.value.where)
    with pytest.raises(ConfigError, match="vocabulary changed"):
        toy_run(tmp_path, fingerprints={"vocabulary": "1"})


def test_keys_named_changeable_may_change(tmp_path: Path) -> None:
    toy_run(tmp_path)
    recipe = toy_recipe().model_copy(update={"colour": "red"})
    with pytest.raises(ConfigError, match="colour"):
        toy_run(tmp_path, recipe=recipe)
    toy_run(tmp_path, recipe=recipe, changeable=["colour"])


def test_starting_over_keeps_the_former_run(tmp_path: Path) -> None:
    toy_run(tmp_path)
    former = (tmp_path / "metrics.jsonl").read_text()
    toy_run(tmp_path, recipe=toy_recipe(seed=1), resume=False)
    assert (tmp_path / "previous-1" / "metrics.jsonl").read_text() == former
    assert len(lines(tmp_path)) == 20


def test_two_runs_cannot_share_a_directory(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(StorageError, match="another process"):
        toy_run(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_with_a_checkpoint(
    number: int, tmp_path: Path, whole: tuple[Path, ToyTrainable]
) -> None:
    stop = Stop(8, signal_number=number)
    result = toy_run(tmp_path, callbacks=[stop])
    assert result.interrupted
    assert (result.state.step, checkpoints(tmp_path)[-1], stop.ended) == (8, "step-8", 1)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not toy_run(tmp_path).interrupted
    assert losses(tmp_path) == losses(whole[0])


def test_a_bad_step_is_skipped_counted_and_shown(tmp_path: Path) -> None:
    stop = Stop(-1)
    result = toy_run(tmp_path, ToyTrainable(poison=range(3, 5)), callbacks=[stop])
    assert [skip.step for skip in result.state.skips] == [4, 5]
    assert [line["step"] for line in lines(tmp_path) if "skipped" in line] == [4, 5]
    assert "step 4 skipped: the loss is nan (epoch 0, batch 3)" in stop.messages
    assert sorted(losses(tmp_path)) == [step for step in range(1, 21) if step not in (4, 5)]


def test_bad_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="3 steps in a row were skipped: the loss is nan") as caught:
        toy_run(tmp_path, ToyTrainable(poison=range(6, 99)), recipe=toy_recipe(max_skips_in_row=3))
    assert "step 9, epoch" in str(caught.value.where)


def test_evaluation_sees_the_module_in_evaluation_mode_and_changes_nothing(
    tmp_path: Path, whole: tuple[Path, ToyTrainable]
) -> None:
    trainable = ToyTrainable()

    def evaluate() -> dict[str, float]:
        assert not trainable.module.training
        assert not torch.is_grad_enabled()
        return {"eval_noise": float(torch.rand(()))}

    stop = Stop(-1)
    toy_run(tmp_path, trainable, evaluate=evaluate, callbacks=[stop], recipe=toy_recipe(eval_every_steps=3))
    assert stop.evaluations == [3, 6, 9, 12, 15, 18, 20]
    assert losses(tmp_path) == losses(whole[0])


def monitored(values: list[float], directory: Path, **changes: object) -> tuple[object, ToyTrainable]:
    trainable, queue = ToyTrainable(), iter(values)
    recipe = toy_recipe(eval_every_steps=2, monitor={"key": "eval_f1", "mode": "max", **changes})
    result = toy_run(directory, trainable, evaluate=lambda: {"eval_f1": next(queue)}, recipe=recipe)
    return result, trainable


def test_early_stopping_and_the_best_weights(tmp_path: Path) -> None:
    result, trainable = monitored([0.1, 0.5, 0.2, 0.5, float("nan")], tmp_path, patience=3)
    state = result.state  # type: ignore[attr-defined]
    assert (state.step, state.best_step, state.best_metrics) == (10, 4, {"eval_f1": 0.5})
    assert result.stopped_early  # type: ignore[attr-defined]
    assert "step-4" in checkpoints(tmp_path)
    best = read_weights(tmp_path / "checkpoints" / "step-4")
    assert all(torch.equal(best[name], value) for name, value in trainable.module.state_dict().items())


def test_the_best_checkpoint_outlives_the_last_ones(tmp_path: Path) -> None:
    monitored([0.9, *([0.1] * 9)], tmp_path)
    assert checkpoints(tmp_path) == ["step-15", "step-2", "step-20"]


def test_a_monitored_number_that_is_not_there(tmp_path: Path) -> None:
    recipe = toy_recipe(monitor={"key": "eval_lost"})
    with pytest.raises(ConfigError, match="eval_lost") as caught:
        toy_run(tmp_path, evaluate=lambda: {"eval_loss": 1.0}, recipe=recipe)
    assert "eval_loss" in str(caught.value.hint)
    with pytest.raises(ConfigError, match="no held-out data"):
        toy_run(tmp_path, recipe=recipe)


def test_lines_are_written_as_often_as_asked(tmp_path: Path) -> None:
    toy_run(tmp_path, recipe=toy_recipe(log_every_steps=7))
    assert list(losses(tmp_path)) == [7, 14]


def test_bfloat16_runs(tmp_path: Path) -> None:
    toy_run(tmp_path, recipe=toy_recipe(precision="bfloat16", steps=2))
    assert list(losses(tmp_path)) == [1, 2]


def test_another_machine_is_told_of(tmp_path: Path) -> None:
    stop = Stop(-1)
    toy_run(tmp_path, recipe=toy_recipe(steps=5))
    toy_run(tmp_path, recipe=toy_recipe(steps=6), callbacks=[stop])
    assert stop.messages == []
    toy_run(tmp_path, recipe=toy_recipe(steps=7, threads=2), callbacks=[stop])
    assert stop.messages == ["resumed under other conditions, so losses differ in rounding: threads 1 -> 2"]


def test_a_damaged_best_checkpoint_is_not_passed_off_as_the_best(tmp_path: Path) -> None:
    values = iter([0.1, 0.9, *([0.2] * 8)])

    def evaluate() -> dict[str, float]:
        for weights in tmp_path.glob("checkpoints/step-4/*.distcp"):
            weights.write_bytes(b"")
        return {"eval_f1": next(values)}

    recipe = toy_recipe(eval_every_steps=2, monitor={"key": "eval_f1", "mode": "max"})
    with pytest.raises(CheckpointError, match="best checkpoint is damaged"):
        toy_run(tmp_path, evaluate=evaluate, recipe=recipe)


def test_a_lost_record_is_told_of_and_does_not_stop_the_run(tmp_path: Path) -> None:
    stop = Stop(-1)
    toy_run(tmp_path)
    (tmp_path / "metrics.jsonl").unlink()
    toy_run(tmp_path, recipe=toy_recipe(steps=22), callbacks=[stop])
    assert "lines are lost" in stop.messages[0]
    assert list(losses(tmp_path)) == [21, 22]


def test_a_failing_source_ends_the_run_with_its_error(tmp_path: Path) -> None:
    class Broken:
        def num_batches(self, epoch: int) -> int:
            return 3

        def batch(self, epoch: int, index: int, share: Share) -> list[PackedBatch]:
            raise InputError("the file is gone")

    recipe = toy_recipe()
    with pytest.raises(InputError, match="gone"):
        train(ToyTrainable(), Broken(), recipe=recipe.train, run_recipe=recipe, directory=tmp_path)


class Spy(Callback):
    """Keeps the reports of all steps."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    def on_step(self, report: StepReport) -> None:
        self.reports.append(report)


def test_the_recipe_says_the_schedule(tmp_path: Path) -> None:
    for schedule, final in (("cosine", 0.25), ("constant", 0.0)):
        spy, recipe = Spy(), toy_recipe(steps=10, schedule=schedule, warmup_ratio=0.0, final_lr_ratio=final)
        toy_run(tmp_path / schedule, recipe=recipe, callbacks=[spy])
        middles = [(step + 0.5) / 10 for step in range(10)]
        falls = [(1 + math.cos(math.pi * middle)) / 2 if schedule == "cosine" else 1.0 for middle in middles]
        rates = [0.01 * (final + (1 - final) * fall) for fall in falls]
        assert [report.lr for report in spy.reports] == pytest.approx(rates)


def test_the_recipe_says_how_long_a_gradient_may_be(tmp_path: Path) -> None:
    lengths = {}
    for clip_norm in (0.001, 0.01, 1e9):
        recipe = toy_recipe(steps=1, clip_norm=clip_norm)
        spy, trainable = Spy(), ToyTrainable(dropout=0.0)
        toy_run(tmp_path / str(clip_norm), trainable, recipe=recipe, callbacks=[spy])
        gradients = [parameter.grad for parameter in trainable.module.parameters()]
        lengths[clip_norm] = torch.nn.utils.get_total_norm(gradients).item()
        assert spy.reports[0].grad_norm > 0.01, "what is reported is the length before it is shortened"
    assert lengths[0.001] == pytest.approx(0.001, rel=1e-2)
    assert lengths[0.01] == pytest.approx(0.01, rel=1e-2)
    assert lengths[1e9] > 0.01


def test_the_recipe_says_how_many_tokens_are_computed_at_once(tmp_path: Path) -> None:
    class Sizes(ToyTrainable):
        def inputs(self, batch: PackedBatch) -> PackedBatch:
            sizes.append(batch.num_tokens)
            return super().inputs(batch)

    weights = {}
    for limit in (None, 12):
        sizes: list[int] = []
        trainable = Sizes(dropout=0.0)
        toy_run(tmp_path / str(limit), trainable, recipe=toy_recipe(steps=4, micro_batch_tokens=limit))
        assert (max(sizes) <= 12) == (limit == 12) and (len(sizes) > 4) == (limit == 12)
        weights[limit] = [parameter.detach() for parameter in trainable.module.parameters()]
    for one, other in zip(*weights.values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
