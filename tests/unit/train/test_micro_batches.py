"""Memory that runs out, and sizes found by themselves."""

from pathlib import Path

import pytest
import torch
from test_loop import Stop, losses
from torch import nn
from toy_model import ToyTerm, ToyTrainable, ToyWithLoss, toy_recipe, toy_run

from erya.data.batches import PackedBatch
from erya.errors import TrainingError
from erya.train import micro_batches
from erya.train.memory import free_bytes, guess_tokens, kept_bytes


class Tight(ToyWithLoss):
    """Has room for so many tokens."""

    def __init__(self, room: int) -> None:
        super().__init__(dropout=0.0, poison=range(0))
        self.room, self.largest = room, 0

    def forward(self, batch: PackedBatch) -> list[ToyTerm]:  # type: ignore[override]
        if batch.num_tokens > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore advice")
        self.largest = max(self.largest, batch.num_tokens)
        return super().forward(batch)


class TightTrainable(ToyTrainable):
    def __init__(self, room: int) -> None:
        super().__init__()
        self.module = Tight(room)


def test_memory_that_runs_out_halves_what_is_computed_at_once_and_nothing_else(tmp_path: Path) -> None:
    tight, stop = TightTrainable(room=15), Stop(999)
    result = toy_run(tmp_path / "tight", tight, callbacks=[stop])
    assert result.state.micro_batch_tokens is not None and result.state.micro_batch_tokens <= 15
    assert 8 <= tight.module.largest <= 15
    said = [message for message in stop.messages if "do not fit into memory" in message]
    assert len(said) == 2, "39 to 19 to 9, once for the run"
    assert "from step 1 on" in said[0] and "CUDA out of memory. Tried to allocate 2 GiB." in said[0]
    assert "More advice" not in said[0]

    toy_run(tmp_path / "roomy", ToyTrainable(dropout=0.0))
    assert list(losses(tmp_path / "tight").values()) == pytest.approx(
        list(losses(tmp_path / "roomy").values()), rel=1e-6
    )


def test_the_size_found_is_remembered_but_the_recipes_new_one_counts(tmp_path: Path) -> None:
    toy_run(tmp_path, TightTrainable(room=15), recipe=toy_recipe(steps=6))
    resumed, stop = TightTrainable(room=15), Stop(999)
    found = toy_run(tmp_path, resumed, recipe=toy_recipe(steps=12), callbacks=[stop]).state.micro_batch_tokens
    assert found is not None and not any("fit into memory" in message for message in stop.messages)
    roomy = TightTrainable(room=1000)
    state = toy_run(tmp_path, roomy, recipe=toy_recipe(steps=20, micro_batch_tokens=30)).state
    assert state.micro_batch_tokens is None and 15 < roomy.module.largest <= 30


def test_a_sequence_that_does_not_fit_alone_ends_the_run(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match=r"a single sequence of \d tokens does not fit.*CUDA out of memory"
    ):
        toy_run(tmp_path, TightTrainable(room=3))


def test_batches_that_must_stay_whole_are_not_cut(tmp_path: Path) -> None:
    tight = TightTrainable(room=15)
    tight.whole_batches = "fewer of them"  # type: ignore[attr-defined]
    with pytest.raises(TrainingError, match="a part of it would have another loss") as caught:
        toy_run(tmp_path / "whole", tight)
    assert caught.value.hint == "fewer of them"
    tight.whole_batches = None  # type: ignore[attr-defined]
    assert toy_run(tmp_path / "cut", tight).state.micro_batch_tokens is not None


@pytest.mark.parametrize(("free", "expected"), [(10**12, 40), (4000, 16)])
def test_auto_looks_at_what_is_free(
    free: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "free_bytes", lambda device: free)
    stop = Stop(999)
    recipe = toy_recipe(micro_batch_tokens="auto")
    state = toy_run(tmp_path, ToyTrainable(), recipe=recipe, callbacks=[stop]).state
    (said,) = [message for message in stop.messages if message.startswith("micro-batches of")]
    assert f"micro-batches of {state.micro_batch_tokens} tokens" in said
    assert state.micro_batch_tokens == expected
    monkeypatch.setattr(micro_batches, "free_bytes", lambda device: 1)
    again = toy_run(tmp_path, recipe=toy_recipe(micro_batch_tokens="auto", steps=22)).state
    assert again.micro_batch_tokens == state.micro_batch_tokens, "a resumed run keeps its size"


def test_a_system_that_does_not_say_leaves_batches_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "free_bytes", lambda device: None)
    stop = Stop(999)
    toy_run(tmp_path, recipe=toy_recipe(micro_batch_tokens="auto"), callbacks=[stop])
    assert any("batches are not cut" in message for message in stop.messages)


def test_what_a_forward_pass_keeps() -> None:
    layer = nn.Sequential(nn.Linear(10, 20), nn.Tanh(), nn.Linear(20, 5, bias=False))
    inputs = torch.randn(100, 10)
    # The input, the output of tanh; what a linear layer gives is not kept, its weights are there anyway.
    assert kept_bytes(layer, inputs, layer) == 4 * 100 * (10 + 20)
    assert kept_bytes(layer, torch.randn(200, 10), layer) == 4 * 200 * (10 + 20)


def test_how_many_tokens_fit() -> None:
    assert guess_tokens(free=2_000_000, num_parameters=50_000, bytes_a_token=1000) == 512
    assert guess_tokens(free=100, num_parameters=50_000, bytes_a_token=1000) == 1


def test_the_free_memory_of_this_machine_is_known() -> None:
    free = free_bytes(torch.device("cpu"))
    assert free is None or 2**20 < free < 2**50
