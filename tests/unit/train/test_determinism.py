import os
from pathlib import Path

import pytest
import torch
from test_loop import Stop, losses
from toy_model import toy_recipe, toy_run

from erya.errors import TrainingError
from erya.train.determinism import deterministic
from erya.train.protocols import StepReport


def test_torch_is_deterministic_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    with deterministic(True):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert not torch.are_deterministic_algorithms_enabled()
    with deterministic(False):
        assert not torch.are_deterministic_algorithms_enabled()


def test_an_operation_without_such_a_variant_is_named() -> None:
    with (
        pytest.raises(TrainingError, match=r"train\.deterministic cannot be kept: .*put_"),
        deterministic(True),
    ):
        torch.zeros(3).put_(torch.tensor([0, 0]), torch.ones(2), accumulate=False)
    with pytest.raises(RuntimeError, match="something else"), deterministic(True):
        raise RuntimeError("something else")
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_recipe_turns_it_on_and_the_run_remembers(tmp_path: Path) -> None:
    class Look(Stop):
        enabled = False

        def on_step(self, report: StepReport) -> None:
            self.enabled = torch.are_deterministic_algorithms_enabled()

    look = Look(0)
    result = toy_run(tmp_path, recipe=toy_recipe(deterministic=True), callbacks=[look])
    assert look.enabled and result.state.machine["deterministic"] == "True"
    stop = Stop(999)
    toy_run(tmp_path, recipe=toy_recipe(steps=22), callbacks=[stop])
    assert any("deterministic True -> False" in message for message in stop.messages)
    assert len(losses(tmp_path)) == 22
