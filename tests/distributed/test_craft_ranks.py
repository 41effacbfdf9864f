"""Training craft under torchrun: ranks that share a batch learn what one process learns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_finetune_ranks import base  # noqa: F401  # a fixture
from toy_ranks import free_port, losses

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from tiny_reviews import write_reviews

# No dropout, which ranks draw differently.
KINDS = {
    "ddp": [
        "craft.adversarial={epsilon: 0.2, steps: 2}",
        "craft.label_smoothing=0.1",
        "train.layer_decay=0.7",
        "train.average={}",
    ],
    "fsdp": ["craft.lora={rank: 2}", "craft.label_smoothing=0.1", "train.layer_decay=0.7"],
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_ranks_learn_as_one_process_does(base: Path, tmp_path: Path, kind: str) -> None:  # noqa: F811
    files = [write_reviews(tmp_path / f"{name}.tsv", 24, seed=seed) for seed, name in enumerate("ab")]
    command = ["finetune", "classify", "--model", str(base), "--text", "text_a"]
    command += ["--train", str(files[0]), "--dev", str(files[1]), "batch_size=8", "train.epochs=2"]
    command += ["train.precision=float32", "train.threads=1", "classifier_dropout_prob=0.0", *KINDS[kind]]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    for name, how in {"one": [], "two": launch}.items():
        spread = [f"train.parallel.kind={kind}", "train.micro_batch_tokens=40"] if name == "two" else []
        done = subprocess.run(
            [sys.executable, *how, "-m", "erya", *command, *spread, "--out", str(tmp_path / name)],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()
