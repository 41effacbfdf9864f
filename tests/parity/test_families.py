"""Every family both ways: theirs computes the same when Erya opens it, ours when `transformers` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from family_models import CASES, Case, Padded, differ, has, inputs_of, make, save
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import PreTrainedModel

import erya
from erya.checkpoints.directory import load_encoder, load_with_head, read_model
from erya.checkpoints.info import ModelInfo, TaskName
from erya.checkpoints.saving import encoder_of, save_model
from erya.models.encoder import Encoder
from erya.nn.packing import PackedTensors
from erya.tokenizer.wordpiece import Tokenizer

TASKS: dict[TaskName, str] = {
    "masked_lm": "ForMaskedLM",
    "classify": "ForSequenceClassification",
    "tag": "ForTokenClassification",
    "answer": "ForQuestionAnswering",
    "next_sentence": "ForNextSentencePrediction",
    "replaced_token": "ForPreTraining",
}
WITH_HEADS = [
    pytest.param(name, task, id=f"{name}-{task}")
    for name, case in CASES.items()
    for task, suffix in TASKS.items()
    if has(case, suffix) and (task != "replaced_token" or case.family == "electra")
]
TOLERANCE = 1e-5


@pytest.fixture
def tokenizer(tmp_path: Path) -> Tokenizer:
    directory = tmp_path / "vocabulary"
    directory.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"天地玄黄"]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return Tokenizer.open(directory)


def packed(encoder: Encoder, batch: Padded) -> PackedTensors:
    """The batch as the encoder has it, with every token chosen for the masked-language head."""
    inputs = dict(batch.inputs)
    tensors = encoder.pack(
        inputs.pop("input_ids"),
        inputs.pop("attention_mask"),
        inputs.pop("token_type_ids", None),
        **inputs,
    )
    tensors.targets["masked_positions"] = torch.arange(len(tensors.ids))
    return tensors


def theirs_of(model: PreTrainedModel, task: TaskName, batch: Padded) -> Tensor:
    """What their head gives, packed as ours does."""
    output: Any = model(**batch.inputs)
    if task in ("classify", "next_sentence"):
        logits: Tensor = output.logits
        return logits
    if task == "answer":
        return torch.stack([output.start_logits, output.end_logits], dim=-1)[batch.kept]
    kept: Tensor = output.logits[batch.kept]
    return kept


def reopen(case: Case, suffix: str, directory: Path) -> PreTrainedModel:
    """Open with the class and, so that they agree, the Auto class; nothing may be missing or unexpected."""
    config = transformers.AutoConfig.from_pretrained(directory)
    assert config.architectures == [case.class_prefix + suffix]
    kind = getattr(transformers, case.class_prefix + suffix)
    model, told = kind.from_pretrained(directory, output_loading_info=True, attn_implementation="eager")
    assert not any(told[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), told
    reopened: PreTrainedModel = model.eval()
    return reopened


def files_of(directory: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = load_file(directory / "model.safetensors")
    return tensors


@pytest.mark.parametrize("name", CASES)
@torch.no_grad()
def test_states_of_every_layer_and_pooler(tmp_path: Path, name: str) -> None:
    theirs = make(CASES[name], "Model", seed=1)
    directory = save(theirs, tmp_path / "theirs")
    batch = inputs_of(theirs)
    expected: Any = theirs(**batch.inputs, output_hidden_states=True)
    encoder = erya.open_encoder(directory)
    assert encoder.config.family == CASES[name].family and not read_model(directory).notes
    output = encoder(packed(encoder, batch), keep_all_hidden=True)
    assert differ(output.hidden, expected.last_hidden_state[batch.kept]) <= TOLERANCE
    assert output.all_hidden is not None and len(output.all_hidden) == len(expected.hidden_states)
    for ours, layer in zip(output.all_hidden, expected.hidden_states, strict=True):
        assert differ(ours, layer[batch.kept]) <= TOLERANCE
    if encoder.pooler is not None:
        assert differ(encoder.pooled(packed(encoder, batch)), expected.pooler_output) <= TOLERANCE
    else:
        assert getattr(expected, "pooler_output", None) is None


@pytest.mark.parametrize(("name", "task"), WITH_HEADS)
@torch.no_grad()
def test_heads_both_ways(tmp_path: Path, tokenizer: Tokenizer, name: str, task: TaskName) -> None:
    """Their directory opened gives their logits; saved again it is theirs, tensor by tensor."""
    case, suffix = CASES[name], TASKS[task]
    labels = {"num_labels": 2} if task in ("answer", "next_sentence") else {}
    theirs = make(case, suffix, seed=2, **labels)
    batch = inputs_of(theirs)
    expected = theirs_of(theirs, task, batch)
    model = read_model(save(theirs, tmp_path / "theirs"))
    assert model.info.task == task and model.heads == (task,) and not model.notes
    assert (model.info.labels == ("差", "中", "好")) == (task in ("classify", "tag"))
    module = load_with_head(model, task).eval()
    assert differ(logits_of(module, batch), expected) <= TOLERANCE
    save_model(tmp_path / "ours", module=module, tokenizer=tokenizer, info=model.info)
    written, read = files_of(tmp_path / "ours"), files_of(tmp_path / "theirs")
    assert written.keys() == read.keys()
    assert all(torch.equal(written[key], value) for key, value in read.items())
    # Not to the last bit: `transformers` rounds otherwise under another name of the same activation.
    assert differ(theirs_of(reopen(case, suffix, tmp_path / "ours"), task, batch), expected) <= TOLERANCE


def logits_of(module: nn.Module, batch: Padded) -> Tensor:
    logits: Tensor = module(packed(encoder_of(module), batch))
    return logits


@pytest.mark.parametrize("name", CASES)
def test_a_bare_encoder_goes_there_and_back(tmp_path: Path, tokenizer: Tokenizer, name: str) -> None:
    case = CASES[name]
    save(make(case, "Model", seed=3), tmp_path / "theirs")
    model = read_model(tmp_path / "theirs")
    encoder = load_encoder(model, pooler=model.has_pooler)
    save_model(tmp_path / "ours", module=encoder, tokenizer=tokenizer, info=ModelInfo(max_length=9))
    again = reopen(case, "Model", tmp_path / "ours")
    read = files_of(tmp_path / "theirs")
    assert read.keys() == files_of(tmp_path / "ours").keys()
    assert all(torch.equal(again.state_dict()[key], value) for key, value in read.items())
    assert read_model(tmp_path / "ours").encoder_config == encoder.config


@pytest.mark.parametrize("suffix", ["ForPreTraining", "ForMaskedLM"])
@pytest.mark.parametrize("name", ["bert", "albert", "ernie"])
@torch.no_grad()
def test_pretraining_classes_hold_two_heads(tmp_path: Path, name: str, suffix: str) -> None:
    theirs = make(CASES[name], suffix, seed=4, num_labels=2)
    batch = inputs_of(theirs)
    output: Any = theirs(**batch.inputs)
    model = read_model(save(theirs, tmp_path))
    if suffix == "ForMaskedLM":
        assert model.heads == ("masked_lm",)
        return
    assert model.heads == ("masked_lm", "next_sentence") and model.info.task == "masked_lm"
    masked = logits_of(load_with_head(model, "masked_lm").eval(), batch)
    assert differ(masked, output.prediction_logits[batch.kept]) <= TOLERANCE
    pair = output.sop_logits if name == "albert" else output.seq_relationship_logits
    assert differ(logits_of(load_with_head(model, "next_sentence").eval(), batch), pair) <= TOLERANCE


@torch.no_grad()
def test_the_masked_head_of_microsofts_deberta(tmp_path: Path) -> None:
    """Their files have the head under other names; `transformers` reads it with legacy=False alone."""
    theirs = make(CASES["deberta-v3"], "ForMaskedLM", seed=5, legacy=False)
    batch = inputs_of(theirs)
    model = read_model(save(theirs, tmp_path))
    assert any(name.startswith("lm_predictions.") for name in files_of(tmp_path))
    expected: Any = theirs(**batch.inputs)
    module = load_with_head(model, "masked_lm").eval()
    assert differ(logits_of(module, batch), expected.logits[batch.kept]) <= TOLERANCE


@pytest.mark.parametrize("name", ["roformer", "modernbert", "deberta-v2", "roberta"])
@torch.no_grad()
def test_the_shortest_and_the_longest(tmp_path: Path, name: str) -> None:
    theirs = make(CASES[name], "Model", seed=6)
    encoder = erya.open_encoder(save(theirs, tmp_path))
    for num_columns in (1, encoder.config.max_positions):
        shape = (2, num_columns)
        ids = torch.randint(4, 53, shape, generator=torch.Generator().manual_seed(8))
        expected: Any = theirs(input_ids=ids, attention_mask=torch.ones(shape, dtype=torch.long))
        hidden, _ = encoder.padded(ids, torch.ones(shape))
        assert differ(hidden, expected.last_hidden_state) <= TOLERANCE
