"""Weight files: whole, sharded, pickled, damaged."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.names import plan_names
from erya.checkpoints.tensors import RenamedTensors, open_tensors
from erya.checkpoints.weights import find_weights, read_header, read_headers
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig


@pytest.fixture
def tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    prefix = "bert.encoder.layer.0.attention.self"
    names = [f"{prefix}.{part}.weight" for part in ("query", "key", "value")]
    return {name: torch.randn(4, 4, generator=generator) for name in [*names, "classifier.weight"]}


def assert_same(directory: Path, tensors: dict[str, Tensor]) -> None:
    opened = open_tensors(find_weights(directory))
    assert set(opened) == set(tensors) and len(opened) == len(tensors)
    assert all(torch.equal(opened[name], tensor) for name, tensor in tensors.items())


def write_shards(directory: Path, tensors: dict[str, Tensor], suffix: str) -> dict[str, str]:
    """One file a tensor, and the index."""
    places = {}
    for number, (name, tensor) in enumerate(tensors.items(), 1):
        places[name] = f"shard-{number}.{suffix}"
        if suffix == "safetensors":
            save_file({name: tensor}, directory / places[name])
        else:
            torch.save({name: tensor}, directory / places[name])
    base = "model.safetensors" if suffix == "safetensors" else "pytorch_model.bin"
    (directory / f"{base}.index.json").write_text(json.dumps({"weight_map": places}))
    return places


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards_are_read_through_their_index(tmp_path: Path, tensors: dict[str, Tensor], suffix: str) -> None:
    places = write_shards(tmp_path, tensors, suffix)
    assert_same(tmp_path, tensors)
    (tmp_path / places["classifier.weight"]).unlink()
    with pytest.raises(CheckpointError, match="not there"):
        find_weights(tmp_path)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_an_index_that_promises_too_much(tmp_path: Path, tensors: dict[str, Tensor], suffix: str) -> None:
    places = write_shards(tmp_path, tensors, suffix) | {"pooler.dense.bias": f"shard-1.{suffix}"}
    index = next(tmp_path.glob("*.index.json"))
    index.write_text(json.dumps({"weight_map": places}))
    with pytest.raises(CheckpointError, match=r"pooler\.dense\.bias"):
        open_tensors(find_weights(tmp_path))
    index.write_text(json.dumps({"weight_map": {"pooler.dense.bias": "../elsewhere.safetensors"}}))
    with pytest.raises(CheckpointError, match="elsewhere"):
        find_weights(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_pickled_weights_are_read(tmp_path: Path, tensors: dict[str, Tensor], zipped: bool) -> None:
    torch.save(tensors, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    assert_same(tmp_path, tensors)


class Trap:
    """Unpickling this would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (Path.touch, (Path("sprung"),))


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_with_code_runs_nothing(
    tmp_path: Path, tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**tensors, "trap": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"holds code or objects \(getattr\); nothing of it was run"):
        open_tensors(find_weights(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(CheckpointError, match="nothing of it was run"):
        open_tensors(find_weights(tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_a_whole_training_state_is_not_weights(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    torch.save({"model": tensors, "step": 3}, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="besides named tensors"):
        open_tensors(find_weights(tmp_path))


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_file_cut_short_is_damaged(tmp_path: Path, tensors: dict[str, Tensor], cut: int) -> None:
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        open_tensors(find_weights(tmp_path))
    assert caught.value.where == str(path)


def test_a_file_cut_short_says_where(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    path = tmp_path / "model.safetensors"
    save_file(tensors, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(CheckpointError, match=f"says {len(whole)} bytes.*at byte {len(whole) - 7}"):
        open_tensors(find_weights(tmp_path))
    path.write_bytes(whole[:40])
    with pytest.raises(CheckpointError, match="ends at byte 40, within its header"):
        open_tensors(find_weights(tmp_path))
    path.write_bytes(whole + b"12")
    with pytest.raises(CheckpointError, match=f"says {len(whole)} bytes, the file has {len(whole) + 2}"):
        open_tensors(find_weights(tmp_path))


def test_a_pointer_is_not_the_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match="Git LFS"):
        find_weights(tmp_path)


def test_no_weights_at_all(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no weights"):
        find_weights(tmp_path)
    (tmp_path / "bert_model.ckpt.index").touch()
    with pytest.raises(CheckpointError, match="TensorFlow"):
        find_weights(tmp_path)


def test_the_header_tells_shapes_without_reading(tmp_path: Path, tensors: dict[str, Tensor]) -> None:
    save_file(
        {name: tensor.half() for name, tensor in tensors.items()},
        tmp_path / "model.safetensors",
        metadata={"format": "pt"},
    )
    headers = read_header(tmp_path / "model.safetensors")
    assert set(headers) == set(tensors)
    assert all((h.shape, h.dtype, h.num_bytes) == ((4, 4), "F16", 32) for h in headers.values())


def test_fused_tensors_are_joined_and_twins_compared(tensors: dict[str, Tensor]) -> None:
    words, decoder = "bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"
    stored = tensors | {words: torch.ones(3, 4), decoder: torch.ones(3, 4)}
    config = EncoderConfig(
        vocab_size=3, hidden_size=4, num_layers=1, num_heads=1, intermediate_size=4, max_positions=4
    )
    plan = plan_names(stored, FAMILIES["bert"], config, ("classify",))
    renamed = RenamedTensors(stored, plan, where="here")
    fused = renamed["encoder.blocks.0.attention.qkv.weight"]
    parts = [tensors[f"bert.encoder.layer.0.attention.self.{p}.weight"] for p in ("query", "key", "value")]
    assert torch.equal(fused, torch.cat(parts)) and len(renamed) == 3
    assert plan.unused == ()
    renamed.require_tied(where="here")
    stored[decoder] = torch.zeros(3, 4)
    with pytest.raises(CheckpointError, match="differs"):
        renamed.require_tied(where="here")


@pytest.mark.parametrize("format", [torch.int8, torch.float8_e4m3fn])
def test_quantised_weights_are_refused(tensors: dict[str, Tensor], format: torch.dtype) -> None:
    name = "bert.encoder.layer.0.attention.self.query.weight"
    stored = tensors | {name: tensors[name].to(format)}
    config = EncoderConfig(
        vocab_size=3, hidden_size=4, num_layers=1, num_heads=1, intermediate_size=4, max_positions=4
    )
    plan = plan_names(stored, FAMILIES["bert"], config, ("classify",))
    with pytest.raises(CheckpointError, match="quantised") as caught:
        RenamedTensors(stored, plan, where="here")["encoder.blocks.0.attention.qkv.weight"]
    assert name in str(caught.value) and caught.value.where == "here"


def test_the_damaged_one_of_several_files_is_named(tmp_path: Path) -> None:
    index = {}
    for name in "abc":
        save_file({name: torch.ones(2)}, tmp_path / f"{name}.safetensors")
        index[name] = f"{name}.safetensors"
    path = tmp_path / "b.safetensors"
    path.write_bytes(path.read_bytes().replace(b'"F32"', b'"Q32"'))
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    with pytest.raises(CheckpointError) as caught:
        open_tensors(find_weights(tmp_path))
    assert caught.value.where == str(path)
    path.write_bytes(b"1234")
    with pytest.raises(CheckpointError, match="ends at byte 4"):
        read_headers(find_weights(tmp_path))
