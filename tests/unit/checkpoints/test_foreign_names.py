"""Tables of names, families found by variables, configurations by shapes."""

import json
import shutil

import numpy as np
import pytest
from foreign_bundles import DATA, entry, write_bundle

from erya.checkpoints.foreign.configs import build_config, measure
from erya.checkpoints.foreign.names_tf import Layers, is_training_state, tensorflow_table
from erya.checkpoints.foreign.opening import open_foreign
from erya.checkpoints.foreign.renaming import RenamedArrays, Source
from erya.errors import CheckpointError


@pytest.mark.parametrize("family", ["bert", "albert", "electra", "roformer", "nezha"])
def test_tables_read_in_both_directions(family):
    table = tensorflow_table(family, Layers(layers=3, groups=2, inner=2))
    assert len({source.name for source in table.values()}) == len(table)
    for name, source in table.items():
        assert (source.change == "transpose") == source.name.endswith("/kernel"), name


def test_known_names():
    bert = tensorflow_table("bert", Layers(layers=12))
    layer = "bert/encoder/layer_11"
    assert bert["bert.encoder.layer.11.output.dense.weight"] == Source(
        f"{layer}/output/dense/kernel", "transpose"
    )
    assert bert["bert.encoder.layer.11.output.LayerNorm.weight"] == Source(f"{layer}/output/LayerNorm/gamma")
    assert bert["cls.seq_relationship.weight"] == Source("cls/seq_relationship/output_weights")
    assert bert["qa_outputs.bias"] == Source("cls/squad/output_bias")
    albert = tensorflow_table("albert", Layers(groups=1, inner=1))
    inner = "bert/encoder/transformer/group_0/inner_group_0"
    ours = "albert.encoder.albert_layer_groups.0.albert_layers.0"
    assert albert[f"{ours}.full_layer_layer_norm.bias"] == Source(f"{inner}/LayerNorm_1/beta")
    assert albert[f"{ours}.attention.LayerNorm.bias"] == Source(f"{inner}/LayerNorm/beta")


@pytest.mark.parametrize(
    "name",
    [
        "global_step",
        "bert/pooler/dense/kernel/adam_m",
        "bert/pooler/dense/kernel/AdamWeightDecayOptimizer_1",
        "bert/pooler/dense/kernel/Adam",
        "beta1_power",
        "temperature",
        "loss_scale/good_steps",
    ],
)
def test_variables_of_the_training(name):
    assert is_training_state(name)


@pytest.mark.parametrize("name", ["bert/pooler/dense/kernel", "adam_model/kernel", "cls/steps_head/bias"])
def test_variables_of_the_model(name):
    assert not is_training_state(name)


def test_what_is_changed_on_the_way():
    array = np.arange(6.0).reshape(3, 2)
    table = {
        "turned": Source("a", "transpose"),
        "rest": Source("a", "without_first_row"),
        "none": Source("b"),
    }
    renamed = RenamedArrays({"a": array}, {"a": (3, 2)}, table)
    assert list(renamed) == ["turned", "rest"]  # b is not stored
    np.testing.assert_array_equal(renamed["turned"], array.T)
    np.testing.assert_array_equal(renamed["rest"], [[2, 3], [4, 5]])
    assert renamed.shapes == {"turned": (2, 3), "rest": (2, 2)}
    assert renamed["turned"].flags["C_CONTIGUOUS"]


SHAPES = {
    "bert.embeddings.word_embeddings.weight": (100, 128),
    "bert.embeddings.position_embeddings.weight": (50, 128),
    "bert.encoder.layer.0.output.dense.weight": (128, 300),
    "bert.encoder.layer.4.output.dense.weight": (128, 300),
}


def test_sizes_come_from_shapes():
    assert measure("bert", SHAPES) == {
        "vocab_size": 100,
        "max_position_embeddings": 50,
        "hidden_size": 128,
        "intermediate_size": 300,
        "num_hidden_layers": 5,
    }


def test_without_a_configuration_heads_are_assumed_and_said():
    config, notes = build_config("bert", SHAPES, {}, where="w")
    assert config["num_attention_heads"] == 2
    assert config["architectures"] == ["BertModel"]
    assert ["attention heads" in note for note in notes] == [True]


def test_rows_of_the_tensors_win_and_layers_must_agree():
    said = {"num_attention_heads": 4, "vocab_size": 101, "model_type": "roberta"}
    config, notes = build_config("bert", SHAPES, said, where="w")
    assert config["vocab_size"] == 100
    assert config["model_type"] == "bert"
    assert any("vocab_size is 101" in note for note in notes)
    assert any("calls it roberta" in note for note in notes)
    for key, value in (("hidden_size", 768), ("num_hidden_layers", 12), ("intermediate_size", 3072)):
        with pytest.raises(CheckpointError, match=f"belongs to other weights: {key} is {value}"):
            build_config("bert", SHAPES, {key: value}, where="w")


def test_heads_must_divide_the_hidden_size():
    with pytest.raises(CheckpointError, match="num_attention_heads 5 does not divide 128"):
        build_config("bert", SHAPES, {"num_attention_heads": 5}, where="w")


def test_a_head_names_the_class_and_its_labels():
    config, _ = build_config("bert", SHAPES | {"classifier.weight": (3, 128)}, {}, where="w")
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["label2id"] == {"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2}


def test_alberts_number_of_layers_must_be_said(tmp_path):
    for path in (DATA / "albert").glob("model*"):
        shutil.copy(path, tmp_path)
    with pytest.raises(CheckpointError, match="only a configuration file says how many layers"):
        open_foreign(tmp_path)


def write_variables(folder, arrays, **config):
    """A checkpoint with these variables, and a configuration if there are options."""
    data, entries = b"", {}
    for name, array in arrays.items():
        array = array.astype("<f4")
        entries[name.encode()] = entry(array, dtype=1, offset=len(data))
        data += array.tobytes()
    if config:
        (folder / "bert_config.json").write_text(json.dumps(config), encoding="utf-8")
    return write_bundle(folder, entries, data)


@pytest.fixture
def without_positions():
    """Variables of one layer of a model that has no table of positions."""
    layer = "bert/encoder/layer_0"
    return {
        "bert/embeddings/word_embeddings": np.ones((9, 64)),
        f"{layer}/output/dense/kernel": np.arange(128.0).reshape(2, 64),
        f"{layer}/output/dense/bias": np.zeros(64),
        "bert/pooler/dense/kernel": np.zeros((64, 64)),
        "project/W": np.zeros((64, 5)),
    }


def test_two_families_without_positions_are_not_guessed(without_positions, tmp_path):
    with pytest.raises(CheckpointError, match="RoFormer or a NEZHA") as error:
        open_foreign(write_variables(tmp_path, without_positions))
    assert '"model_type": "roformer"' in (error.value.hint or "")


@pytest.mark.parametrize(
    ("config", "family"),
    [
        ({"use_relative_position": True}, "nezha"),
        ({"model_type": "nezha"}, "nezha"),
        ({"model_type": "roformer"}, "roformer"),
    ],
)
def test_the_configuration_says_which(config, family, without_positions, tmp_path):
    checkpoint = open_foreign(write_variables(tmp_path, without_positions, **config))
    assert checkpoint.config["model_type"] == family
    np.testing.assert_array_equal(
        checkpoint.tensors[f"{family}.encoder.layer.0.output.dense.weight"], np.arange(128.0).reshape(2, 64).T
    )
    # A tensor that no table knows stays visible; the pooler that a RoFormer has no place for is said.
    assert checkpoint.leftover == ("project/W",)
    assert any("pooler" in note for note in checkpoint.notes) == (family == "roformer")


def test_an_export_with_module_in_front(without_positions, tmp_path):
    variables = {f"module/{name}": array for name, array in without_positions.items()}
    variables["module/bert/embeddings/position_embeddings"] = np.ones((7, 64))
    checkpoint = open_foreign(write_variables(tmp_path, variables))
    assert checkpoint.config["model_type"] == "bert"
    assert "bert.pooler.dense.weight" in checkpoint.tensors
    assert checkpoint.leftover == ("module/project/W",)


def test_variables_of_another_program(tmp_path):
    prefix = write_variables(tmp_path, {"model/transformer/layer_0/ff/kernel": np.ones((2, 2))})
    with pytest.raises(CheckpointError, match="no family that is read here; their names begin with model"):
        open_foreign(prefix)


def test_a_part_that_is_not_there(tmp_path):
    with pytest.raises(
        CheckpointError, match="there is no generator to read: the checkpoint holds no ELECTRA"
    ):
        open_foreign(DATA / "bert", part="generator")


def test_electra_takes_the_configuration_of_its_part():
    small = open_foreign(DATA / "electra", part="generator")
    large = open_foreign(DATA / "electra")
    assert (small.config["hidden_size"], large.config["hidden_size"]) == (12, 24)
    assert any("discriminator; its generator is left out" in note for note in large.notes)
