"""config.json and erya.json: every option arrives, and what Erya lacks is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from erya.checkpoints.configuration import read_configuration
from erya.checkpoints.huggingface import check_family, parse_config, render_config
from erya.checkpoints.info import ModelInfo, write_json
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig

EVERYTHING_ODD: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertForSequenceClassification"],
    "vocab_size": 101,
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "intermediate_size": 50,
    "max_position_embeddings": 77,
    "type_vocab_size": 3,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.05,
    "pad_token_id": 7,
    "classifier_dropout": 0.4,
    "id2label": {"1": "好", "0": "差", "2": "中"},
    "label2id": {"好": 1, "差": 0, "中": 2},
    "problem_type": "single_label_classification",
    "directionality": "bidi",
}


def odd(**changes: object) -> dict[str, Any]:
    return EVERYTHING_ODD | changes


def test_every_option_arrives_and_goes_back() -> None:
    foreign = parse_config(EVERYTHING_ODD, where="config.json")
    assert foreign.encoder == EncoderConfig(
        vocab_size=101,
        hidden_size=24,
        num_layers=3,
        num_heads=6,
        intermediate_size=50,
        max_positions=77,
        num_segments=3,
        activation="gelu_new",
        dropout_prob=0.2,
        attention_dropout_prob=0.3,
        layer_norm_eps=1e-5,
        initializer_range=0.05,
        pad_id=7,
    )
    assert (foreign.task, foreign.labels) == ("classify", ("差", "好", "中"))
    assert foreign.classifier_dropout_prob == 0.4
    info = ModelInfo(task=foreign.task, labels=foreign.labels, max_length=77, classifier_dropout_prob=0.4)
    written = render_config(foreign.encoder, info)
    assert {key: value for key, value in EVERYTHING_ODD.items() if written.get(key) != value} == {
        "directionality": "bidi"
    }


def test_what_is_not_said_is_berts_default() -> None:
    encoder = parse_config({"hidden_size": 768}, where="config.json").encoder
    assert encoder == EncoderConfig(vocab_size=30522)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("pruned_heads", {"0": [1]}),
        ("hidden_act", "silu"),
        ("model_type", "albert"),
        ("quantization_config", {"bits": 8}),
    ],
)
def test_an_option_erya_lacks_is_named(option: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=option) as caught:
        parse_config(odd(**{option: value}), where="config.json")
    assert caught.value.where == "config.json"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_attention_heads": 5}, "does not divide"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"id2label": {"0": "差", "2": "好"}, "label2id": {}}, "id2label"),
        ({"id2label": {"0": "好", "1": "好"}, "label2id": {}}, "one name"),
        ({"label2id": {"好": 0, "差": 1, "中": 2}}, "do not agree"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        parse_config(odd(**changes), where="config.json")


def test_labels_without_names_are_numbered() -> None:
    foreign = parse_config(odd(id2label=None, label2id=None, num_labels=3), where="config.json")
    assert foreign.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["BertForTokenClassification"]},
        {"problem_type": "multi_label_classification"},
        {"problem_type": None, "id2label": {"0": "score"}, "label2id": {"score": 0}},
    ],
)
def test_a_head_erya_lacks_leaves_the_encoder_and_a_note(changes: dict[str, Any]) -> None:
    foreign = parse_config(odd(**changes), where="config.json")
    assert foreign.task is None and foreign.labels is None
    assert "only the encoder" in foreign.notes[0]


def test_a_bert_labelled_roberta_is_known_by_its_tensors(tmp_path: Path) -> None:
    labelled = {"model_type": "roberta"}
    assert "opened as BERT" in check_family(labelled, ["bert.pooler.dense.bias"], tmp_path)[0]
    with pytest.raises(CheckpointError, match="neither"):
        check_family(labelled, ["pooler.dense.bias"], tmp_path)
    (tmp_path / "vocab.txt").touch()
    assert check_family(labelled, ["pooler.dense.bias"], tmp_path)
    with pytest.raises(CheckpointError, match="positions"):
        check_family(labelled, ["roberta.pooler.dense.bias"], tmp_path)
    assert check_family({"model_type": "bert"}, ["bert.pooler.dense.bias"], tmp_path) == ()


def test_a_classifier_dropout_that_drops_everything_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", odd(classifier_dropout=1.0))
    with pytest.raises(CheckpointError, match=r"classifier_dropout_prob.*got 1\.0"):
        read_configuration(tmp_path)


def test_both_files_must_tell_one_story(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", EVERYTHING_ODD)
    inferred = read_configuration(tmp_path)[2]
    assert (inferred.task, inferred.max_length, inferred.tokenizer_mode) == ("classify", 77, "reference")
    info = inferred.model_copy(update={"max_length": 64, "provenance": {"seed": 3}})
    write_json(tmp_path / "erya.json", info.model_dump(mode="json"))
    assert read_configuration(tmp_path)[2] == info
    for changes in ({"labels": ("好", "差", "中")}, {"max_length": 78}):
        write_json(tmp_path / "erya.json", info.model_copy(update=changes).model_dump(mode="json"))
        with pytest.raises(CheckpointError, match=r"erya\.json"):
            read_configuration(tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"format_version": 2, "max_length": 9}', "newer"),
        ('{"max_length": 9, "taks": null}', "taks"),
        ('{"max_length": 9, "task": "classify"}', "labels"),
        ("{", "JSON"),
        ("[]", "object"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, text: str, words: str) -> None:
    write_json(tmp_path / "config.json", EVERYTHING_ODD)
    (tmp_path / "erya.json").write_text(text, encoding="utf-8")
    with pytest.raises(CheckpointError, match=words) as caught:
        read_configuration(tmp_path)
    assert "erya.json" in str(caught.value.where)


def test_what_is_not_a_model_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such directory"):
        read_configuration(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        read_configuration(tmp_path)
    (tmp_path / "bert_config.json").touch()
    with pytest.raises(CheckpointError, match="TensorFlow"):
        read_configuration(tmp_path)
