"""A Hugging Face BERT opened by Erya computes what it computed before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_models import BASE, OFF_DEFAULT, TINY, assert_close, random_inputs, save_random
from torch import Tensor
from transformers import BertForMaskedLM, BertForPreTraining, BertForSequenceClassification, BertModel

import erya
from erya.checkpoints.directory import load_encoder, load_masked_language_model, read_model
from erya.checkpoints.loading import load_tensors
from erya.models.encoder import Encoder
from erya.models.heads.sequence import SequenceClassifier
from erya.nn.packing import PackedTensors

SIZES = [
    pytest.param(TINY, id="tiny"),
    pytest.param(TINY | {"hidden_act": "relu"}, id="tiny-relu"),
    pytest.param(
        TINY | {"hidden_act": "gelu", "type_vocab_size": 2, "layer_norm_eps": 1e-12}, id="tiny-gelu"
    ),
    pytest.param(BASE, id="base", marks=pytest.mark.slow),
]
KERNELS = ["eager", "sdpa"]


def options_of(size: dict[str, Any], kernel: str) -> dict[str, Any]:
    return OFF_DEFAULT | size | {"attn_implementation": kernel}


def columns_of(size: dict[str, Any]) -> int:
    return int(size["max_position_embeddings"])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_hidden_states_and_pooler(tmp_path: Path, size: dict[str, Any], kernel: str) -> None:
    theirs = save_random(BertModel, tmp_path, seed=1, **options_of(size, kernel))
    inputs = random_inputs(theirs, num_sequences=4, num_columns=columns_of(size), seed=2)
    expected = theirs(**inputs.keywords())
    encoder = erya.open_encoder(tmp_path)
    hidden, pooled = encoder.padded(inputs.input_ids, inputs.attention_mask, inputs.token_type_ids)
    assert not encoder.training
    assert_close(hidden[inputs.kept], expected.last_hidden_state[inputs.kept])
    assert_close(pooled, expected.pooler_output)
    assert torch.count_nonzero(hidden[~inputs.kept]) == 0


@torch.no_grad()
def test_every_layers_states(tmp_path: Path) -> None:
    theirs = save_random(BertModel, tmp_path, seed=3, **options_of(TINY, "eager"))
    inputs = random_inputs(theirs, num_sequences=3, num_columns=17, seed=4)
    expected = theirs(**inputs.keywords(), output_hidden_states=True).hidden_states
    batch = PackedTensors.from_padded(inputs.input_ids, inputs.attention_mask, inputs.token_type_ids)
    output = load_encoder(tmp_path).eval()(batch, keep_all_hidden=True)
    assert len(output.all_hidden) == len(expected)
    for ours, layer in zip(output.all_hidden, expected, strict=True):
        assert_close(ours, layer[inputs.kept])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", [BertForMaskedLM, BertForPreTraining])
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_masked_language_logits(tmp_path: Path, size: dict[str, Any], kind: type, kernel: str) -> None:
    theirs = save_random(kind, tmp_path, seed=5, **options_of(size, kernel))
    inputs = random_inputs(theirs, num_sequences=3, num_columns=columns_of(size) // 2, seed=6)
    expected = theirs(**inputs.keywords())[0][inputs.kept]
    batch = PackedTensors.from_padded(inputs.input_ids, inputs.attention_mask, inputs.token_type_ids)
    chosen = torch.randperm(len(batch.ids), generator=torch.Generator().manual_seed(7))[:9]
    batch.targets["masked_positions"] = chosen
    logits = load_masked_language_model(tmp_path).eval()(batch)
    assert_close(logits, expected[chosen])


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_classification_logits(tmp_path: Path, size: dict[str, Any], kernel: str) -> None:
    theirs = save_random(BertForSequenceClassification, tmp_path, seed=8, **options_of(size, kernel))
    inputs = random_inputs(theirs, num_sequences=5, num_columns=columns_of(size) // 2, seed=9)
    assert_close(classifier_logits(tmp_path, inputs.keywords()), theirs(**inputs.keywords()).logits)


def classifier_logits(directory: Path, inputs: dict[str, Tensor]) -> Tensor:
    """What Erya's classifier opened from `directory` gives for a padded batch."""
    model = read_model(directory)
    assert model.info.labels == ("差", "中", "好", "很好")
    classifier = SequenceClassifier(Encoder(model.encoder_config), len(model.info.labels))
    assert load_tensors(classifier, model.tensors, where=str(directory)).lines() == []
    batch = PackedTensors.from_padded(inputs["input_ids"], inputs["attention_mask"], inputs["token_type_ids"])
    logits: Tensor = classifier.eval()(batch)
    return logits


@pytest.mark.parametrize("num_columns", [1, 2, 41])
@torch.no_grad()
def test_any_length_and_no_segments(tmp_path: Path, num_columns: int) -> None:
    theirs = save_random(BertModel, tmp_path, seed=10, **options_of(TINY, "sdpa"))
    inputs = random_inputs(theirs, num_sequences=2, num_columns=num_columns, seed=11)
    expected = theirs(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask)
    hidden, pooled = erya.open_encoder(tmp_path).padded(inputs.input_ids, inputs.attention_mask)
    assert_close(hidden[inputs.kept], expected.last_hidden_state[inputs.kept])
    assert_close(pooled, expected.pooler_output)


@torch.no_grad()
def test_sharded_and_pickled_copies_open_alike(tmp_path: Path) -> None:
    theirs = save_random(BertModel, tmp_path / "whole", seed=12, **options_of(TINY, "sdpa"))
    theirs.save_pretrained(tmp_path / "sharded", max_shard_size="10KB")
    assert len(list((tmp_path / "sharded").glob("*.safetensors"))) > 1
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    theirs.config.save_pretrained(pickled)
    torch.save(theirs.state_dict(), pickled / "pytorch_model.bin")
    expected = load_encoder(tmp_path / "whole").state_dict()
    for name in ("sharded", "pickled"):
        opened = load_encoder(tmp_path / name).state_dict()
        assert all(torch.equal(opened[key], value) for key, value in expected.items())
