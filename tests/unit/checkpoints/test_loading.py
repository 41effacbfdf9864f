"""Loading: everything fits exactly, or is listed; nothing starts at random unsaid."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from tiny_models import Classifier, WriteModel
from torch import nn

from erya.checkpoints.directory import (
    load_encoder,
    load_masked_language_model,
    load_with_head,
    read_model,
)
from erya.checkpoints.loading import CLASSIFIER, MASKED_HEAD, POOLER, LoadReport, load_tensors
from erya.checkpoints.saving import foreign_tensors
from erya.errors import CheckpointError
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel


def assert_equal(module: nn.Module, other: nn.Module) -> None:
    left, right = module.state_dict(), other.state_dict()
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


class Reports(list[LoadReport]):
    """Keeps what a load function reports."""

    def __call__(self, report: LoadReport) -> None:
        self.append(report)


def test_an_encoder_comes_back_unchanged(encoder: Encoder, write_model: WriteModel) -> None:
    reports = Reports()
    opened = load_encoder(write_model(encoder), report=reports)
    assert_equal(opened, encoder)
    assert opened.config == encoder.config
    assert reports[0].lines() == [] and reports[0].num_loaded == len(encoder.state_dict())


def test_a_masked_language_model_comes_back_unchanged(
    masked_model: MaskedLanguageModel, write_model: WriteModel
) -> None:
    reports = Reports()
    assert_equal(load_masked_language_model(write_model(masked_model), report=reports), masked_model)
    assert reports[0].lines() == []


def test_a_classifier_comes_back_unchanged(classifier: Classifier, write_model: WriteModel) -> None:
    model = read_model(write_model(classifier))
    assert model.info.labels == ("差", "好")
    opened = Classifier(Encoder(model.encoder_config), 2)
    report = load_tensors(opened, model.tensors, where="model")
    assert_equal(opened, classifier)
    assert report.lines() == []


def test_another_tasks_head_is_left_aside_and_named(classifier: Classifier, write_model: WriteModel) -> None:
    reports = Reports()
    encoder = load_encoder(write_model(classifier), pooler=False, report=reports)
    assert encoder.pooler is None
    assert set(reports[0].unused) == {
        "classifier.bias",
        "classifier.weight",
        "encoder.pooler.dense.bias",
        "encoder.pooler.dense.weight",
    }


def test_heads_erya_lacks_are_named(masked_model: MaskedLanguageModel, write_model: WriteModel) -> None:
    tensors = foreign_tensors(masked_model) | {"cls.seq_relationship.bias": torch.zeros(2)}
    reports = Reports()
    load_masked_language_model(write_model(masked_model, tensors=tensors), report=reports)
    assert reports[0].unused == ("cls.seq_relationship.bias",)


def test_a_missing_pooler_is_an_error_unless_allowed(
    masked_model: MaskedLanguageModel, write_model: WriteModel
) -> None:
    directory = write_model(masked_model)
    with pytest.raises(CheckpointError, match=r"2 missing: encoder\.pooler"):
        load_encoder(directory)
    reports = Reports()
    one = load_encoder(directory, allow_missing=(POOLER,), seed=1, report=reports)
    same = load_encoder(directory, allow_missing=(POOLER,), seed=1)
    other = load_encoder(directory, allow_missing=(POOLER,), seed=2)
    assert set(reports[0].fresh) == {"encoder.pooler.dense.bias", "encoder.pooler.dense.weight"}
    assert_equal(one, same)
    assert one.pooler is not None and other.pooler is not None
    assert not torch.equal(one.pooler.dense.weight, other.pooler.dense.weight)
    assert 0.3 < float(one.pooler.dense.weight.detach().std()) / one.config.initializer_range < 2
    assert torch.equal(one.embeddings.words.weight, masked_model.encoder.embeddings.words.weight)


def test_a_missing_head_starts_at_random_only_when_allowed(encoder: Encoder, write_model: WriteModel) -> None:
    directory = write_model(encoder)
    with pytest.raises(CheckpointError, match="5 missing: head"):
        load_masked_language_model(directory)
    reports = Reports()
    model = load_masked_language_model(directory, allow_missing=(MASKED_HEAD,), report=reports)
    assert len(reports[0].fresh) == 5
    assert torch.count_nonzero(model.head.bias) == 0
    assert torch.equal(model.head.norm.weight, torch.ones(12))


def test_random_parts_are_a_warning_in_the_log(
    masked_model: MaskedLanguageModel, write_model: WriteModel, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        load_encoder(write_model(masked_model), allow_missing=(POOLER,))
    assert "starts at random: encoder.pooler" in caplog.text


def test_half_a_part_may_never_miss(encoder: Encoder, write_model: WriteModel) -> None:
    tensors = foreign_tensors(encoder)
    del tensors["pooler.dense.bias"]
    with pytest.raises(CheckpointError, match=r"1 missing: encoder\.pooler\.dense\.bias"):
        load_encoder(write_model(encoder, tensors=tensors), allow_missing=(POOLER,))


@pytest.mark.parametrize(
    "name",
    [
        "encoder.layer.1.output.dense.bias",
        "embeddings.LayerNorm.weight",
        "encoder.layer.0.attention.self.key.bias",
    ],
)
def test_a_missing_tensor_is_named(encoder: Encoder, write_model: WriteModel, name: str) -> None:
    tensors = foreign_tensors(encoder)
    del tensors[name]
    layer = name.replace("encoder.layer.", "").split(".")[0]
    with pytest.raises(CheckpointError, match="1 missing") as caught:
        load_encoder(write_model(encoder, tensors=tensors))
    assert layer in str(caught.value)


def test_left_over_tensors_are_named(encoder: Encoder, write_model: WriteModel) -> None:
    tensors = foreign_tensors(encoder) | {"extra.weight": torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r"extra\.weight"):
        load_encoder(write_model(encoder, tensors=tensors))


def test_a_layer_too_many_is_left_over(encoder: Encoder, write_model: WriteModel) -> None:
    directory = write_model(encoder, num_hidden_layers=1)
    with pytest.raises(CheckpointError, match="says 1 layers, the tensors have 2"):
        load_encoder(directory)


@pytest.mark.parametrize(
    ("option", "value", "name"),
    [
        ("intermediate_size", 21, "feedforward"),
    ],
)
def test_another_shape_is_named(
    encoder: Encoder, write_model: WriteModel, option: str, value: int, name: str
) -> None:
    with pytest.raises(CheckpointError, match="another shape") as caught:
        load_encoder(write_model(encoder, **{option: value}))
    assert name in str(caught.value) and "wanted" in str(caught.value)


@pytest.mark.parametrize(
    ("option", "said", "field", "right"),
    [
        ("vocab_size", 18, "vocab_size", 17),
        ("max_position_embeddings", 512, "max_positions", 19),
        ("type_vocab_size", 2, "num_segments", 3),
    ],
)
def test_tensors_are_right_about_rows_and_a_note_says_so(
    encoder: Encoder, write_model: WriteModel, option: str, said: int, field: str, right: int
) -> None:
    reports = Reports()
    opened = load_encoder(write_model(encoder, **{option: said}), report=reports)
    assert_equal(opened, encoder)
    assert getattr(opened.config, field) == right
    assert f"says {option} {said}" in reports[0].notes[0] and f"{right} rows" in reports[0].notes[0]


def test_another_width_is_named_with_both(encoder: Encoder, write_model: WriteModel) -> None:
    with pytest.raises(CheckpointError, match=r"word_embeddings.weight is 17 x 12, .* width 24"):
        load_encoder(write_model(encoder, hidden_size=24))


def test_parts_of_a_fused_tensor_fit_together(encoder: Encoder, write_model: WriteModel) -> None:
    tensors = foreign_tensors(encoder)
    name = "encoder.layer.1.attention.self.key.weight"
    tensors[name] = torch.zeros(12, 13)
    with pytest.raises(CheckpointError, match=r"key\.weight is \(12, 13\)"):
        load_encoder(write_model(encoder, tensors=tensors))


def test_an_encoder_random_in_part_only_when_told_so(encoder: Encoder, write_model: WriteModel) -> None:
    tensors = {
        k: v for k, v in foreign_tensors(encoder).items() if not k.startswith("encoder.layer.0.output")
    }
    directory = write_model(encoder, tensors=tensors)
    with pytest.raises(CheckpointError, match="4 missing") as caught:
        load_encoder(directory)
    assert "random in part" in str(caught.value.hint)
    missing = ("encoder.blocks.0.feedforward.down.", "encoder.blocks.0.feedforward_norm.")
    reports = Reports()
    load_encoder(directory, allow_missing=missing, report=reports)
    assert len(reports[0].fresh) == 4 and "starts at random" in reports[0].lines()[0]


def test_an_absent_masked_head_is_explained(encoder: Encoder, write_model: WriteModel) -> None:
    directory = write_model(encoder, architectures=["BertForMaskedLM"])
    model = read_model(directory)
    assert model.heads == () and "promises a head for masked_lm" in model.notes[0]
    with pytest.raises(CheckpointError, match="5 missing: head") as caught:
        load_masked_language_model(model)
    assert "noise until such a head is trained" in str(caught.value.hint)
    with pytest.raises(CheckpointError, match="no head for masked_lm; there are: none"):
        load_with_head(model, "masked_lm")
    reports = Reports()
    load_masked_language_model(model, allow_missing=(MASKED_HEAD,), report=reports)
    assert "noise until such a head is trained" in " ".join(reports[0].lines())


def test_a_decoder_of_its_own_is_refused_and_a_tied_one_read(
    masked_model: MaskedLanguageModel, write_model: WriteModel
) -> None:
    words = masked_model.encoder.embeddings.words.weight.detach()
    tensors = foreign_tensors(masked_model) | {"cls.predictions.decoder.weight": words.clone()}
    assert_equal(load_masked_language_model(write_model(masked_model, tensors=tensors)), masked_model)
    tensors["cls.predictions.decoder.weight"] = words + 1
    directory = write_model(masked_model, tensors=tensors)
    with pytest.raises(CheckpointError, match="tied"):
        load_masked_language_model(directory)
    load_encoder(directory, pooler=False)


def test_a_chinese_roberta_opens_as_the_bert_it_is(
    masked_model: MaskedLanguageModel, write_model: WriteModel
) -> None:
    directory = write_model(masked_model, model_type="roberta", architectures=["RobertaForMaskedLM"])
    reports = Reports()
    assert_equal(load_masked_language_model(directory, report=reports), masked_model)
    assert "opened as bert" in reports[0].lines()[0]


def test_half_precision_weights_are_widened(encoder: Encoder, write_model: WriteModel) -> None:
    tensors = {name: tensor.bfloat16() for name, tensor in foreign_tensors(encoder).items()}
    opened = load_encoder(write_model(encoder, tensors=tensors))
    assert opened.embeddings.words.weight.dtype == torch.float32
    torch.testing.assert_close(opened.state_dict(), encoder.state_dict(), rtol=1e-2, atol=1e-2)


def test_a_classifier_on_an_encoder_starts_at_random(encoder: Encoder, write_model: WriteModel) -> None:
    model = read_model(write_model(encoder))
    report = load_tensors(
        Classifier(Encoder(model.encoder_config), 4), model.tensors, where="m", allow_missing=(CLASSIFIER,)
    )
    assert report.fresh == ("classifier.weight", "classifier.bias")


def test_pickled_directories_open(encoder: Encoder, write_model: WriteModel) -> None:
    directory: Path = write_model(encoder)
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): value
        for name, value in foreign_tensors(encoder).items()
    }
    tensors["embeddings.position_ids"] = torch.arange(19)[None]
    (directory / "model.safetensors").unlink()
    torch.save(tensors, directory / "pytorch_model.bin")
    assert_equal(load_encoder(directory), encoder)
