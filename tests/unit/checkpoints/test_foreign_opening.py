"""What a path means: formats told apart by content, and what is said of the rest."""

import json
import shutil

import numpy as np
import pytest
import torch
from foreign_bundles import DATA, write_table

from erya.checkpoints.foreign.opening import find_foreign, open_foreign
from erya.errors import CheckpointError


def copy(source, target, pattern="*"):
    target.mkdir(exist_ok=True)
    for path in source.glob(pattern):
        shutil.copy(path, target)
    return target


@pytest.mark.parametrize(
    "name", ["", "bert_model.ckpt", "bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"]
)
def test_every_way_to_name_a_tensorflow_checkpoint(name):
    assert find_foreign(DATA / "bert" / name) == ("tensorflow", DATA / "bert" / "bert_model.ckpt")


def test_of_several_checkpoints_the_newest_that_was_noted(tmp_path):
    for step in (100, 200):
        for path in copy(DATA / "bert", tmp_path / "from").glob("bert_model*"):
            shutil.copy(path, tmp_path / path.name.replace("bert_model.ckpt", f"model.ckpt-{step}"))
    with pytest.raises(CheckpointError, match=r"several checkpoints: model\.ckpt-100, model\.ckpt-200"):
        find_foreign(tmp_path)
    (tmp_path / "checkpoint").write_text(
        'model_checkpoint_path: "/elsewhere/model.ckpt-200"\nall_...', "utf-8"
    )
    assert find_foreign(tmp_path) == ("tensorflow", tmp_path / "model.ckpt-200")


def test_the_vocabulary_and_the_files_are_named(tmp_path):
    folder = copy(DATA / "bert", tmp_path / "bert")
    assert open_foreign(folder).vocab is None
    (folder / "vocab_chinese.txt").write_text("[PAD]\n", encoding="utf-8")
    checkpoint = open_foreign(folder)
    assert checkpoint.vocab == folder / "vocab_chinese.txt"
    (folder / "vocab.txt").write_text("[PAD]\n", encoding="utf-8")
    checkpoint = open_foreign(folder)
    assert checkpoint.vocab == folder / "vocab.txt"
    assert [path.name for path in checkpoint.files] == [
        "bert_model.ckpt.index",
        "bert_model.ckpt.data-00000-of-00001",
        "bert_config.json",
    ]


def test_a_missing_configuration_is_said(tmp_path):
    checkpoint = open_foreign(copy(DATA / "bert", tmp_path, "bert_model*"))
    assert checkpoint.config["num_attention_heads"] == 1  # 24 numbers are fewer than one head has
    assert any("no configuration file" in note for note in checkpoint.notes)


def test_a_configuration_that_is_no_json(tmp_path):
    folder = copy(DATA / "bert", tmp_path)
    (folder / "bert_config.json").write_text("{", encoding="utf-8")
    with pytest.raises(CheckpointError, match="is not JSON") as error:
        open_foreign(folder)
    assert error.value.where == str(folder / "bert_config.json")


def test_the_old_format_of_tensorflow(tmp_path):
    write_table(tmp_path / "bert_model.ckpt", {b"": b"", b"a": b"b"})
    for path in (tmp_path, tmp_path / "bert_model.ckpt"):
        with pytest.raises(CheckpointError, match="old format"):
            open_foreign(path)


def test_data_without_an_index(tmp_path):
    folder = copy(DATA / "bert", tmp_path, "*data*")
    with pytest.raises(CheckpointError, match="but not their index"):
        open_foreign(folder)


def test_a_hugging_face_directory_is_not_foreign(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04")
    assert find_foreign(tmp_path) is None
    with pytest.raises(CheckpointError, match="a Hugging Face directory, which needs no conversion"):
        open_foreign(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"\x1f\x8b\x08", "an archive"),
        (b"GGUF", "GGUF"),
        (b"", "no weights of"),
    ],
)
def test_other_files_are_named(content, said, tmp_path):
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said):
        open_foreign(path)


def test_nothing_there(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        open_foreign(tmp_path / "bert_model.ckpt")
    with pytest.raises(CheckpointError, match="holds no weights"):
        open_foreign(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(CheckpointError, match="SavedModel"):
        open_foreign(tmp_path)


class Code:
    """What a malicious pickle holds."""

    def __reduce__(self):
        return (print, ("run",))


def test_a_pickle_that_carries_code_is_refused(tmp_path, capsys):
    torch.save({"embedding.word.embedding.weight": Code()}, tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match=r"code or objects \(print\); nothing of it was run"):
        open_foreign(tmp_path / "model.bin")
    assert capsys.readouterr().out == ""


def test_a_pickle_that_is_cut_short(tmp_path):
    path = tmp_path / "model.bin"
    torch.save({"embedding.word.embedding.weight": torch.zeros(3, 3)}, path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(CheckpointError, match="cannot be read"):
        open_foreign(path)


@pytest.mark.parametrize("value", [{0: torch.ones(2)}, [torch.ones(2)], {"a": torch.ones(2).to_sparse()}])
def test_a_pickle_of_something_else(tmp_path, value):
    torch.save(value, tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match=r"besides named tensors(?s:.*)state_dict"):
        open_foreign(tmp_path / "model.bin")


@pytest.mark.parametrize("heads", [0, 5, "x", None])
def test_heads_that_are_no_divisor_are_refused(tmp_path, heads):
    folder = shutil.copytree(DATA / "bert", tmp_path / "bert")
    path = folder / "bert_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"num_attention_heads": heads}))
    with pytest.raises(CheckpointError, match=f"num_attention_heads {heads!r} does not divide"):
        open_foreign(folder)


def test_a_note_of_tensorflows_that_is_no_text(tmp_path):
    folder = shutil.copytree(DATA / "bert", tmp_path / "bert")
    for path in list(folder.glob("bert_model.ckpt.*")):
        shutil.copy(path, path.with_name(path.name.replace("bert_model", "other")))
    (folder / "checkpoint").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="several checkpoints"):
        open_foreign(folder)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["encoder.transformer.self_attn.final_linear.weight"], "ALBERT"),
        (["encoder.transformer.0.layer_norm_1.gamma", "encoder.layer_norm.gamma"], "norms stand before"),
        (["encoder.rnn.weight_ih_l0"], "no transformer"),
    ],
)
def test_other_encoders_of_uer_are_refused(names, said, tmp_path):
    state = {name: torch.zeros(2) for name in ["embedding.word_embedding.weight", *names]}
    torch.save(state, tmp_path / "model.bin-1000")
    with pytest.raises(CheckpointError, match=said):
        open_foreign(tmp_path / "model.bin-1000")


def test_uer_takes_heads_from_a_configuration_of_its_own(tmp_path):
    layer = "encoder.transformer.0"
    state = {
        "embedding.word.embedding.weight": torch.ones(9, 128, dtype=torch.bfloat16),
        "embedding.seg.embedding.weight": torch.arange(3.0)[:, None].expand(3, 128).clone(),
        f"{layer}.feed_forward.linear_2.weight": torch.zeros(128, 40),
        f"{layer}.layer_norm_1.gamma": torch.zeros(128),
        "output_layer.weight": torch.zeros(5, 128),
        "crf.transitions": torch.zeros(5, 5),
    }
    torch.save(state, tmp_path / "ner_model.bin")
    (tmp_path / "base_config.json").write_text(
        '{"heads_num": 4, "hidden_act": "relu", "dropout": 0.2}', "utf-8"
    )
    checkpoint = open_foreign(tmp_path)
    assert checkpoint.config["num_attention_heads"] == 4
    assert checkpoint.config["hidden_act"] == "relu"
    assert checkpoint.config["attention_probs_dropout_prob"] == 0.2
    assert checkpoint.config["architectures"] == ["BertForTokenClassification"]
    assert len(checkpoint.config["id2label"]) == 5
    assert checkpoint.tensors["bert.embeddings.word_embeddings.weight"].dtype == np.float32
    rows = checkpoint.tensors["bert.embeddings.token_type_embeddings.weight"]
    np.testing.assert_array_equal(rows[:, 0], [1, 2])
    assert checkpoint.leftover == ("crf.transitions",)


def test_hdf5_that_is_cut_short(tmp_path):
    path = copy(DATA / "keras_bert", tmp_path) / "best_model.weights"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(CheckpointError, match="HDF5 file is damaged"):
        open_foreign(path)


def test_objects_instead_of_variables(tmp_path):
    prefix = tmp_path / "best_model.weights"
    (tmp_path / "best_model.weights.data-00000-of-00001").write_bytes(b"")
    # num_shards: 1; a string of no bytes
    write_table(
        tmp_path / "best_model.weights.index",
        {b"": b"\x08\x01", b"_CHECKPOINTABLE_OBJECT_GRAPH": b"\x08\x07"},
    )
    with pytest.raises(CheckpointError, match=r"written by tf\.keras"):
        open_foreign(prefix)
