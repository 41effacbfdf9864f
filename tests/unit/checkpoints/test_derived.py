"""What a family stores and Erya computes: written as they compute it, checked when read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from family_configs import CONFIGS
from safetensors.torch import save_file
from tiny_models import randomise
from torch import Tensor

from erya.checkpoints.directory import load_encoder, read_model
from erya.checkpoints.huggingface import render_config
from erya.checkpoints.info import ModelInfo, write_json
from erya.checkpoints.saving import foreign_tensors
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.positions import Rotary

ANGLES = "encoder.embed_positions.weight"
CONFIG = CONFIGS["roformer"]


def write(directory: Path, config: EncoderConfig, tensors: dict[str, Tensor]) -> Path:
    write_json(directory / "config.json", render_config(config, ModelInfo(max_length=9), unused={"pooler"}))
    save_file(tensors, directory / "model.safetensors")
    return directory


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    return foreign_tensors(randomise(Encoder(CONFIG, pooler=False)))


def test_angles_are_written_and_not_loaded(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    assert tensors[ANGLES].shape == (41, 6)
    by_hand = torch.tensor([0.8414710, 0.5403023])  # sine and cosine of 1
    torch.testing.assert_close(tensors[ANGLES][1, [0, 3]], by_hand)
    assert load_encoder(write(tmp_path, CONFIG, tensors), pooler=False).config == CONFIG
    del tensors[ANGLES]
    assert load_encoder(write(tmp_path, CONFIG, tensors), pooler=False).config == CONFIG


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_angles_may_be_rounded(tmp_path: Path, tensors: dict[str, Tensor], kind: torch.dtype) -> None:
    read_model(write(tmp_path, CONFIG, {name: value.to(kind) for name, value in tensors.items()}))


@pytest.mark.parametrize("change", ["values", "rows"])
def test_other_angles_are_refused(tmp_path: Path, tensors: dict[str, Tensor], change: str) -> None:
    angles = tensors[ANGLES]
    tensors[ANGLES] = angles[:-1].clone() if change == "rows" else angles + 1e-3
    with pytest.raises(CheckpointError, match="is not what the configuration gives"):
        read_model(write(tmp_path, CONFIG, tensors))


def test_a_lengthened_roformer_says_its_base_and_stores_its_angles(tmp_path: Path) -> None:
    positions = Rotary(base=54_321.0, interleaved=True, values=True)
    config = CONFIG.model_copy(update={"positions": positions, "max_positions": 90})
    encoder = Encoder(config, pooler=False)
    stored = foreign_tensors(encoder)
    assert stored[ANGLES].shape == (90, 6)
    turn = encoder.blocks[0].attention.turn
    torch.testing.assert_close(stored[ANGLES][:, :3], turn.sin)  # type: ignore[union-attr]
    assert load_encoder(write(tmp_path, config, stored), pooler=False).config == config
