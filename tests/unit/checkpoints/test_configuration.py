"""config.json and erya.json: every option arrives, and what Erya lacks is an error that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from family_configs import CONFIGS

from erya.checkpoints.configuration import infer_info, read_configuration
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.huggingface import ForeignConfig, parse_config, render_config, settled
from erya.checkpoints.info import ModelInfo, write_json
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig, FamilyName, PoolerConfig
from erya.models.positions import Relative

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


def parse(data: dict[str, Any], family: FamilyName = "bert") -> ForeignConfig:
    return parse_config(data, family=FAMILIES[family], where="config.json")


def test_every_option_arrives_and_goes_back() -> None:
    foreign = parse(EVERYTHING_ODD)
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
    encoder = parse({"hidden_size": 768}).encoder
    assert encoder == EncoderConfig(vocab_size=30522)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("pruned_heads", {"0": [1]}),
        ("hidden_act", "quick_gelu"),
        ("quantization_config", {"bits": 8}),
    ],
)
def test_an_option_erya_lacks_is_named(option: str, value: object) -> None:
    with pytest.raises(CheckpointError, match=option) as caught:
        parse(odd(**{option: value}))
    assert caught.value.where == "config.json"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"num_attention_heads": 5}, "does not divide"),
        ({"hidden_size": "wide"}, "hidden_size"),
        ({"id2label": {"0": "差", "2": "好"}, "label2id": {}}, "id2label"),
        ({"id2label": {"0": "好", "1": "好"}, "label2id": {}}, "one name"),
        ({"label2id": {"好": 0, "差": 1, "中": 2}}, "do not agree"),
        ({"id2label": 3}, "wrong kind"),
        ({"id2label": None, "num_labels": "x"}, "wrong kind"),
        ({"id2label": None, "label2id": None, "num_labels": -1}, "-1 classes"),
        ({"architectures": 5}, "wrong kind"),
        ({"pad_token_id": float("inf")}, "wrong kind"),
    ],
)
def test_nonsense_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        parse(odd(**changes))


def test_labels_without_names_are_numbered() -> None:
    foreign = parse(odd(id2label=None, label2id=None, num_labels=3))
    assert foreign.labels == ("LABEL_0", "LABEL_1", "LABEL_2")


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["BertForMultipleChoice"]},
        {"problem_type": "regression"},
        {"id2label": {"0": "score"}, "label2id": {"score": 0}},
    ],
)
def test_a_head_erya_lacks_leaves_the_encoder_and_a_note(changes: dict[str, Any]) -> None:
    foreign = parse(odd(**changes))
    assert foreign.task is None and foreign.labels is None
    assert "only the encoder" in foreign.notes[0]


def test_labels_that_hold_by_themselves_are_said_to() -> None:
    foreign = parse(odd(problem_type="multi_label_classification"))
    info = infer_info(foreign, where="there")
    assert foreign.task == "classify" and info.settings == {"multi_label": True}
    assert render_config(foreign.encoder, info)["problem_type"] == "multi_label_classification"
    assert infer_info(parse(odd(problem_type=None)), where="there").settings == {}


@pytest.mark.parametrize("problem", [None, "regression"])
def test_a_classifier_with_one_output_judges_pairs(problem: str | None) -> None:
    foreign = parse(odd(problem_type=problem, id2label={"0": "score"}, label2id={"score": 0}))
    assert (foreign.task, foreign.labels, foreign.notes) == ("classify", None, ())
    info = infer_info(foreign, where="there")
    assert info.kind == "match"
    written = render_config(foreign.encoder, info)
    assert written["problem_type"] == "regression" and list(written["id2label"]) == ["0"]
    assert parse(written).labels is None


@pytest.mark.parametrize("name", FAMILIES)
def test_every_familys_options_go_there_and_back(name: FamilyName) -> None:
    config = CONFIGS[name]
    written = render_config(config, ModelInfo(max_length=9))
    assert settled(parse(written, name).encoder) == settled(config)
    assert written["model_type"] == name and written["architectures"] == [FAMILIES[name].class_for(())]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_option_changes_what_is_written(name: FamilyName) -> None:
    """Were one forgotten, another value would come back, or what is written would say nothing of it."""
    config, written = CONFIGS[name], render_config(CONFIGS[name], ModelInfo(max_length=9))
    numbers = ("vocab_size", "num_layers", "intermediate_size", "max_positions", "dropout_prob", "pad_id")
    for field in (*numbers, "attention_dropout_prob", "initializer_range"):
        value = getattr(config, field)
        other = config.model_copy(update={field: value + 1 if isinstance(value, int) else value / 2})
        if name.endswith("roberta") and field == "pad_id":
            continue  # the place of the first token goes with it
        assert render_config(other, ModelInfo(max_length=9)) != written, field


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"positions": Relative()}, "no positions .*relative"),
        ({"pooler": PoolerConfig(activation="relu")}, "no pooler .*relu"),
        ({"num_tasks": 2}, "no num_tasks 2"),
        ({"head_activation": "tanh"}, "no head_activation tanh"),
        ({"embedding_size": 8}, "no embedding_size 8"),
        ({"num_groups": 1}, "no num_groups 1"),
    ],
)
def test_what_a_family_cannot_say_is_refused(changes: dict[str, Any], words: str) -> None:
    config = CONFIGS["bert"].model_copy(update=changes)
    with pytest.raises(CheckpointError, match="the family bert has " + words):
        render_config(config, ModelInfo(max_length=9))


def test_what_is_not_used_need_not_be_said() -> None:
    changed = {"pooler": PoolerConfig(activation="relu"), "head_activation": "tanh"}
    config = CONFIGS["bert"].model_copy(update=changed)
    render_config(config, ModelInfo(max_length=9), unused={"pooler", "head_activation"})


def test_a_head_a_family_does_not_have_is_refused() -> None:
    with pytest.raises(CheckpointError, match="roformer has no class for the task next_sentence") as told:
        render_config(CONFIGS["roformer"], ModelInfo(task="next_sentence", max_length=9))
    assert told.value.hint is not None and "bert" in told.value.hint and "roformer" not in told.value.hint


@pytest.mark.parametrize(
    ("family", "changes", "words"),
    [
        ("roberta", {"max_position_embeddings": 2}, "kept for padding"),
        ("deberta-v2", {"relative_attention": False, "pos_att_type": ["c2p"]}, "relative_attention=False"),
        ("deberta-v2", {"relative_attention": False, "position_biased_input": False}, "together"),
        ("deberta-v2", {"relative_attention": True, "pooler_hidden_size": 9}, "pooler_hidden_size"),
        ("deberta-v2", {"attention_head_size": 9}, "attention_head_size"),
        ("modernbert", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "rope_type"),
        ("modernbert", {"layer_types": ["sliding_attention", "full_attention"]}, "layer_types"),
        ("modernbert", {"decoder_bias": False}, "decoder_bias"),
        ("modernbert", {"classifier_pooling": "max"}, "classifier_pooling"),
        ("nezha", {"use_relative_position": False}, "use_relative_position"),
        ("electra", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("modernbert", {"local_attention": "wide"}, "wrong kind"),
        ("deberta-v2", {"relative_attention": True, "position_buckets": None}, "wrong kind"),
    ],
)
def test_options_of_families_that_erya_lacks_are_named(
    family: FamilyName, changes: dict[str, Any], words: str
) -> None:
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 6}
    with pytest.raises(CheckpointError, match=words):
        parse(sizes | changes, family)


def test_deberta_and_modernbert_in_their_older_words() -> None:
    deberta = {"relative_attention": True, "pos_att_type": "p2c|c2p", "hidden_size": 24}
    deberta |= {"position_buckets": 256, "max_relative_positions": -1, "position_biased_input": False}
    positions = parse(deberta, "deberta-v2").encoder.positions
    assert positions.model_dump() == {
        "kind": "disentangled",
        "max_distance": 512,
        "num_buckets": 256,
        "terms": ("c2p", "p2c"),
        "shared_projections": False,
        "norm": False,
        "absolute": False,
    }
    modern = {"global_rope_theta": 9000.0, "local_rope_theta": None, "global_attn_every_n_layers": 4}
    encoder = parse(modern | {"local_attention": 64, "mlp_dropout": 0.5}, "modernbert").encoder
    assert (encoder.window, encoder.global_every, encoder.dropout_prob) == (32, 4, 0.5)
    assert encoder.positions.model_dump()["local_base"] == 9000.0
    assert parse({"global_attn_every_n_layers": 1}, "modernbert").encoder.window is None


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
