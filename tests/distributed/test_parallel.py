"""One process, replicas, a model cut up and copies of a model cut up learn the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_ranks import finish, losses

from erya.train.checkpoint_tensors import read_weights

SHORT = {
    "steps": 6,
    "precision": "float32",
    "learning_rate": 1e-3,
    "save_every_steps": 3,
    "eval_every_steps": 3,
    "average": {"decay": 0.9},
}
KINDS = {
    "ddp": {"kind": "ddp"},
    "fsdp": {"kind": "fsdp"},
    "hybrid": {"kind": "hybrid", "shard_ranks": 1},
}


@pytest.mark.parametrize("optimiser", ["adamw", pytest.param("muon", marks=pytest.mark.slow)])
def test_every_kind_of_spreading_learns_what_one_process_learns(optimiser: str, tmp_path: Path) -> None:
    recipe = SHORT | {"optimiser": {"kind": optimiser}}
    finish({"directory": str(tmp_path / "one"), **recipe}, ranks=1)
    finish(*({"directory": str(tmp_path / name), **recipe, "parallel": how} for name, how in KINDS.items()))
    expected = losses(tmp_path / "one")
    weights = read_weights(tmp_path / "one" / "checkpoints" / "step-6")
    for name in KINDS:
        assert losses(tmp_path / name) == pytest.approx(expected, rel=1e-5)
        for key, tensor in read_weights(tmp_path / name / "checkpoints" / "step-6").items():
            assert (tensor - weights[key]).abs().max() < 1e-4, key
