"""What becomes of a run whose loss leaps or is not finite, seen from outside."""

import json
import math
from pathlib import Path

import pytest
import torch
from test_loop import Stop, lines, losses
from toy_model import ToyTrainable, ToyWithLoss, toy_recipe, toy_run

from erya.data.batches import PackedBatch
from erya.errors import ConfigError, TrainingError
from erya.train.protocols import Callback


class Leaping(ToyTrainable):
    """Whose loss is a hundred times what it was at some calls."""

    def __init__(self, *calls: int, factor: float = 100.0) -> None:
        super().__init__()
        self.module = LeapingModel(frozenset(calls), factor)


class LeapingModel(ToyWithLoss):
    def __init__(self, leaps: frozenset[int], factor: float) -> None:
        super().__init__(dropout=0.3, poison=range(0))
        self.leaps, self.factor = leaps, factor

    def forward(self, batch: PackedBatch):  # type: ignore[no-untyped-def,override]
        leaps = self.calls in self.leaps
        (term,) = super().forward(batch)
        if leaps:
            term = type(term)(term.name, term.total * self.factor, term.count)
        return [term]


GUARD = {"spike": 6.0, "window": 12, "action": "skip", "limit": 3}


def state_of(directory: Path, step: int) -> dict[str, object]:
    path = directory / "checkpoints" / f"step-{step}" / "state.json"
    return json.loads(path.read_text())["state"]  # type: ignore[no-any-return]


def test_a_batch_whose_loss_leaps_is_left_out_and_named(tmp_path: Path) -> None:
    stop = Stop(999)
    result = toy_run(tmp_path, Leaping(13), recipe=toy_recipe(guard=GUARD), callbacks=[stop])
    (skip,) = result.state.skips
    assert (skip.step, skip.epoch, skip.batch, skip.rewound_to) == (14, 1, 5, None)
    assert "the loss leapt to" in skip.cause
    assert any("step 14 skipped: the loss leapt" in said for said in stop.messages)
    (line,) = [line for line in lines(tmp_path) if "skipped" in line]
    assert (line["step"], line["epoch"], line["batch"]) == (14, 1, 5)
    # Without the guard the step is taken.
    (tmp_path / "free").mkdir()
    assert not toy_run(tmp_path / "free", Leaping(13)).state.skips


def test_a_rewound_run_has_the_weights_of_the_checkpoint_and_goes_on_after(tmp_path: Path) -> None:
    class Weights(Callback):
        """Notes the first weight after every step."""

        def __init__(self, trainable: ToyTrainable) -> None:
            self.trainable, self.after = trainable, dict[int, torch.Tensor]()

        def on_step(self, report) -> None:  # type: ignore[no-untyped-def]
            self.after[report.step] = self.trainable.module.words.weight.detach().clone()

    trainable = Leaping(13)
    seen = Weights(trainable)
    recipe = toy_recipe(
        guard=GUARD | {"action": "rewind"}, average={"decay": 0.9}, optimiser={"kind": "lamb"}
    )
    result = toy_run(tmp_path, trainable, recipe=recipe, callbacks=[seen])
    (skip,) = result.state.skips
    assert (skip.step, skip.batch, skip.rewound_to) == (14, 5, 10)
    assert torch.equal(seen.after[14], seen.after[10])
    assert not torch.equal(seen.after[13], seen.after[10])
    assert not torch.equal(seen.after[15], seen.after[14])
    assert len(state_of(tmp_path, 15)["losses"]) == 11, "of the ten steps it went back to, and one"
    assert result.state.step == 20, "the batches between are not seen again"
    # Killed after the rewind, before the next checkpoint: the resumed run goes the same way.
    again = tmp_path / "again"
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(again, Leaping(13), recipe=recipe, callbacks=[Stop(14)])
    resumed = toy_run(again, Leaping(3), recipe=recipe)
    assert losses(again) == losses(tmp_path)
    assert [skip.model_dump() for skip in resumed.state.skips] == [skip.model_dump()]


def test_without_a_checkpoint_the_batch_alone_is_left_out(tmp_path: Path) -> None:
    stop = Stop(999)
    recipe = toy_recipe(guard=GUARD | {"action": "rewind"}, save_every_steps=50)
    result = toy_run(tmp_path, Leaping(13), recipe=recipe, callbacks=[stop])
    assert result.state.skips[0].rewound_to is None
    assert any("no checkpoint yet" in said for said in stop.messages)


def test_the_guard_resumes_with_what_it_knew(tmp_path: Path) -> None:
    recipe = toy_recipe(guard=GUARD)
    with pytest.raises(RuntimeError, match="power cut"):
        toy_run(tmp_path, Leaping(), recipe=recipe, callbacks=[Stop(15)])
    assert len(state_of(tmp_path, 15 if (tmp_path / "checkpoints/step-15").exists() else 10)["losses"]) >= 10
    # The second step after resuming leaps: a guard that began anew would accept its first ten.
    result = toy_run(tmp_path, Leaping(1), recipe=recipe)
    assert len(result.state.skips) == 1


def test_a_run_ends_at_the_limit_of_skips(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"3 steps of the run were skipped.*train.guard.limit.*leapt"
    ) as caught:
        toy_run(tmp_path, Leaping(12, 14, 16), recipe=toy_recipe(guard=GUARD))
    assert "step 17" in str(caught.value.where)
    assert "train.learning_rate" in str(caught.value.hint)


def test_no_checkpoint_is_written_while_steps_are_skipped(tmp_path: Path) -> None:
    result = toy_run(tmp_path, Leaping(14, 15), recipe=toy_recipe(guard=GUARD, keep_checkpoints=9))
    assert [skip.step for skip in result.state.skips] == [15, 16]
    found = sorted(int(path.name[5:]) for path in (tmp_path / "checkpoints").glob("step-*"))
    assert found == [5, 10, 17, 20]


def test_a_rate_that_diverges_ends_the_run_which_goes_on_with_a_smaller_one(tmp_path: Path) -> None:
    absurd = toy_recipe(steps=60, learning_rate=1e30, schedule="constant", warmup_steps=0, max_skips_in_row=4)
    with pytest.raises(TrainingError, match="4 steps in a row were skipped") as caught:
        toy_run(tmp_path / "at-once", recipe=absurd)
    assert "smaller train.learning_rate" in str(caught.value.hint)

    directory = tmp_path / "later"
    tame = toy_recipe(steps=10, schedule="constant", warmup_steps=0, max_skips_in_row=4)
    toy_run(directory, recipe=tame)
    with pytest.raises(TrainingError, match="4 steps in a row were skipped"):
        toy_run(directory, recipe=absurd)
    stop = Stop(999)
    result = toy_run(
        directory,
        recipe=absurd.model_copy(update={"train": absurd.train.model_copy(update={"learning_rate": 0.02})}),
        callbacks=[stop],
    )
    assert result.state.step == 60 and math.isfinite(losses(directory)[60])
    assert "from step 11 on, train.learning_rate was 0.01, is 0.02" in stop.messages
    assert "from step 11 on, train.learning_rate was 0.01, is 0.02" in result.state.notes
    assert {line["lr"] for line in lines(directory) if line["step"] > 10} == {0.02}


def test_what_decides_about_learning_is_not_changed_in_silence(tmp_path: Path) -> None:
    toy_run(tmp_path, recipe=toy_recipe(guard=GUARD))
    stop = Stop(999)
    recipe = toy_recipe(guard=GUARD | {"spike": 9.0}, clip_norm=0.5, decay_ratio=0.3, steps=22)
    toy_run(tmp_path, recipe=recipe, callbacks=[stop])
    changed = "train.clip_norm was 1.0, is 0.5, train.decay_ratio was 0.1, is 0.3"
    assert any(f"{changed}, train.guard.spike was 6.0, is 9.0" in m for m in stop.messages)
    with pytest.raises(ConfigError, match=r"train\.optimiser\.kind was 'adamw', is 'muon'"):
        toy_run(tmp_path, recipe=toy_recipe(optimiser={"kind": "muon"}))
