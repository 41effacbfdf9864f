"""Keras's files as bert4keras writes them: other layers, whole models, damage."""

import shutil

import numpy as np
import pytest
from foreign_bundles import DATA

from erya.checkpoints.foreign.opening import open_foreign
from erya.errors import CheckpointError

h5py = pytest.importorskip("h5py", reason="bert4keras's files are HDF5")


@pytest.fixture
def folder(tmp_path):
    """A folder of bert4keras's, to be changed."""
    return shutil.copytree(DATA / "keras_bert", tmp_path / "keras_bert")


def test_layers_of_a_task_are_left_over(folder):
    with h5py.File(folder / "best_model.weights", "a") as file:
        file.create_group("dense_25").create_dataset("dense_25/kernel:0", data=np.zeros((24, 3)))
        file["dense_25"].attrs["weight_names"] = [b"dense_25/kernel:0"]
        names = [*file.attrs["layer_names"], "dense_25"]
        file.attrs["layer_names"] = [name.encode() for name in names]
    checkpoint = open_foreign(folder)
    assert checkpoint.leftover == ("dense_25/kernel:0",)


def test_a_whole_model_of_keras(folder, tmp_path):
    with h5py.File(folder / "best_model.weights") as old, h5py.File(tmp_path / "model.h5", "w") as new:
        group = new.create_group("model_weights")
        for name, value in old.attrs.items():
            group.attrs[name] = value
        for name in old:
            old.copy(name, group)
    whole, weights = open_foreign(tmp_path / "model.h5"), open_foreign(folder / "best_model.weights")
    assert list(whole.tensors) == list(weights.tensors)
    for name in whole.tensors:
        np.testing.assert_array_equal(whole.tensors[name], weights.tensors[name])


def test_a_layer_without_biases_is_another_model(folder):
    with h5py.File(folder / "best_model.weights", "a") as file:
        attributes = file["Embedding-Norm"].attrs
        attributes["weight_names"] = attributes["weight_names"][1:]
    with pytest.raises(CheckpointError, match="layer Embedding-Norm has 1 arrays where BERT's has 2"):
        open_foreign(folder)


def test_a_tokenizers_settings_are_no_configuration(folder):
    (folder / "bert_config.json").rename(folder / "config.json")
    (folder / "tokenizer_config.json").write_text("{}")
    assert open_foreign(folder).files[-1].name == "config.json"


def test_what_the_file_says_and_lacks_is_damage(folder):
    with h5py.File(folder / "best_model.weights", "a") as file:
        file["Embedding-Norm"].attrs["weight_names"] = [b"beta:0", b"gone:0"]
    with pytest.raises(CheckpointError, match="damaged"):
        open_foreign(folder)


def test_hdf5_of_somebody_else(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(CheckpointError, match="no layers as Keras 2 writes them"):
        open_foreign(tmp_path / "data.h5")


def test_a_part_has_no_meaning_outside_electra():
    with pytest.raises(CheckpointError, match="no generator to choose"):
        open_foreign(DATA / "keras_bert", part="generator")
