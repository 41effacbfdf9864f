"""Fine-tuning under torchrun: one rank writes and speaks, and all learn what one process learns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from toy_ranks import free_port, losses

sys.path.append(str(Path(__file__).parents[1] / "unit"))

from tiny_reviews import CHARACTERS, write_reviews

from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.tokenizer.wordpiece import Tokenizer


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory without dropout, which ranks draw differently."""
    import torch

    folder = tmp_path_factory.mktemp("base")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(CHARACTERS)]
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    sizes = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 32}
    config = EncoderConfig(
        vocab_size=len(pieces), max_positions=24, dropout_prob=0.0, attention_dropout_prob=0.0, **sizes
    )
    encoder = Encoder(config)
    initialise(encoder, initializer_range=0.1, generator=torch.Generator().manual_seed(3))
    save_model(
        folder / "model", module=encoder, tokenizer=Tokenizer.open(folder), info=ModelInfo(max_length=24)
    )
    return folder / "model"


@pytest.mark.slow
def test_two_ranks_fine_tune_as_one_process_does(base: Path, tmp_path: Path) -> None:
    files = [write_reviews(tmp_path / f"{name}.tsv", 24, seed=seed) for seed, name in enumerate("ab")]
    command = ["finetune", "classify", "--model", str(base), "--text", "text_a", "--json", "--seeds", "2"]
    command += ["--train", str(files[0]), "--dev", str(files[1]), "batch_size=8", "train.epochs=2"]
    command += ["train.precision=float32", "train.threads=1", "classifier_dropout_prob=0.0"]
    launch = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={free_port()}"]
    done = {
        name: subprocess.run(
            [sys.executable, *how, "-m", "erya", *command, "--out", str(tmp_path / name)],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            check=False,
        )
        for name, how in {"one": [], "two": launch}.items()
    }
    assert [each.returncode for each in done.values()] == [0, 0], done["two"].stderr
    rows = [json.loads(line) for line in done["two"].stdout.splitlines()]
    assert [row["seed"] for row in rows] == [0, 1, "mean", "deviation"], "one rank speaks"
    assert done["two"].stderr.count("24 training and 24 dev texts") == 2, "once a seed"
    assert (tmp_path / "two" / "model" / "model.safetensors").is_file()
    found, expected = (losses(tmp_path / name / "seed-1") for name in ("two", "one"))
    assert found == pytest.approx(expected, rel=1e-4)
