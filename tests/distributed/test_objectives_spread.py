"""Two ranks, with replicas or with a model cut up, learn what one process learns, whatever the objective."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_ranks import free_port, losses

sys.path += [str(Path(__file__).parents[1] / "unit" / "pretrain")]

from fake_shards import write_shards
from toy_objective_ranks import run

SMALL = [
    "model.hidden_size=16",
    "model.intermediate_size=32",
    "model.max_positions=64",
    "data.max_length=48",
    "train.steps=4",
    "train.batch_tokens=300",
    "train.eval_every_steps=2",
    "train.threads=1",
    "train.precision=float32",
]
# At so low a temperature the likeliest token is drawn, so that ranks draw what one process draws.
REPLACED = [
    "objective.kind=replaced",
    "objective.generator={width: 0.5, temperature: 1.0e-8}",
    "model.family=electra",
    "model.embedding_size=8",
    "model.pooler={activation: gelu}",
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def teacher(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "teacher"
    run(out, [*SMALL, f"data.shards={shards}", "train.steps=1"])
    return out / "model"


def evaluations(directory: Path) -> list[dict[str, float]]:
    """What was found on held-out text, in the order it was."""
    lines = map(json.loads, (directory / "metrics.jsonl").read_text().splitlines())
    return [{key: value for key, value in line.items() if key.startswith("eval_")} for line in lines]


def test_every_objective_on_two_ranks(shards: Path, teacher: Path, tmp_path: Path) -> None:
    objectives = {
        "pairs": ["objective.pairs=next"],
        "replaced": REPLACED,
        "teacher": [
            f"objective.teacher.model={teacher}",
            "objective.teacher.relations={num_heads: 4}",
        ],
    }
    spread: dict[str, list[str]] = {}
    for name, options in objectives.items():
        given = [*SMALL, f"data.shards={shards}", *options]
        run(tmp_path / name, given)
        for kind in ("ddp", "fsdp"):
            spread[str(tmp_path / f"{name}-{kind}")] = [*given, f"train.parallel={{kind: {kind}}}"]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", f"--rdzv-endpoint=localhost:{free_port()}"]
    command += [str(Path(__file__).with_name("toy_objective_ranks.py")), json.dumps(spread)]
    done = subprocess.run(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in objectives:
        for kind in ("ddp", "fsdp"):
            directory = tmp_path / f"{name}-{kind}"
            assert losses(directory) == pytest.approx(losses(tmp_path / name), rel=1e-5), directory.name
            for found, wanted in zip(evaluations(directory), evaluations(tmp_path / name), strict=True):
                assert found == pytest.approx(wanted, rel=1e-4), directory.name
            assert (directory / "model" / "model.safetensors").is_file()
