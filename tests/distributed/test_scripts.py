"""The scripts for clusters, as far as one machine goes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "unit" / "pretrain"))


@pytest.mark.parametrize("name", ["multinode.sh", "slurm.sh"])
def test_the_shell_understands_it(name: str) -> None:
    subprocess.run(["bash", "-n", ROOT / "runs" / name], check=True)
    assert os.access(ROOT / "runs" / name, os.X_OK)


def test_the_job_is_yaml() -> None:
    service, job = yaml.safe_load_all((ROOT / "runs" / "kubernetes.yaml").read_text())
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][0] == "runs/multinode.sh"


def test_one_machine_with_two_ranks_leaves_a_model(tmp_path: Path) -> None:
    from fake_shards import write_shards

    shards, out = write_shards(tmp_path / "shards"), tmp_path / "run"
    recipe = ROOT / "tests" / "unit" / "pretrain" / "tiny.yaml"
    settings = ["train.steps=3", "train.batch_tokens=300", "train.precision=float32", f"data.shards={shards}"]
    settings += ["model.hidden_size=16", "model.max_positions=64", "data.max_length=48"]
    command = [ROOT / "runs" / "multinode.sh", recipe, out, *settings, "train.parallel.kind=fsdp"]
    done = run_script(command)
    assert done.returncode == 0, done.stdout
    assert (out / "model" / "model.safetensors").is_file()
    assert done.stdout.count("M parameters") == 1, "one rank speaks"
    again = run_script([*command, "train.learning_rate=nonsense"])
    assert again.returncode != 0
    assert again.stdout.count("learning_rate") == 1, "one rank says what is wrong"


def run_script(command: list[object]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHON": sys.executable, "GPUS_PER_NODE": "2", "RESTARTS": "0"}
    return subprocess.run(
        [str(part) for part in command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
