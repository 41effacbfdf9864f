"""Somebody's weights become a model directory that computes the same, or are refused for what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from foreign_bundles import DATA
from safetensors.torch import load_file, save_file
from tiny_models import PIECES, WriteModel

from erya.checkpoints.conversion import export_model, import_model
from erya.checkpoints.directory import load_encoder, load_masked_language_model, read_model
from erya.checkpoints.info import INFO_FILE, read_info
from erya.errors import CheckpointError, ConfigError, InputError, StorageError
from erya.files import sha256_of
from erya.models.encoder import Encoder
from erya.models.masked_lm import MaskedLanguageModel
from erya.tokenizer.wordpiece import Tokenizer


def write_list(path: Path, *, size: int, more: tuple[str, ...] = ()) -> Path:
    """A vocabulary of so many pieces."""
    pieces = [*PIECES, *more]
    pieces += [f"[unused{number}]" for number in range(size - len(pieces))]
    path.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def google(tmp_path: Path) -> Path:
    """A TensorFlow checkpoint with its vocabulary."""
    folder = tmp_path / "chinese_L-2"
    shutil.copytree(DATA / "bert", folder)
    write_list(folder / "vocab.txt", size=29)
    return folder


@pytest.fixture
def masked(write_model: WriteModel, masked_model: MaskedLanguageModel) -> Path:
    """A Hugging Face directory of a masked language model with a list of pieces alone."""
    directory = write_model(masked_model)
    write_list(directory / "vocab.txt", size=17)
    return directory


def test_a_tensorflow_checkpoint_comes_with_all_heads_of_one_class(google: Path, tmp_path: Path) -> None:
    told: list[str] = []
    done = import_model(google, tmp_path / "out", on_progress=lambda phase, *_: told.append(phase))
    assert (done.family, done.saved_as) == ("bert", "BertForPreTraining")
    assert done.heads == ("masked_lm", "next_sentence") and done.left_out == ()
    assert list(dict.fromkeys(told)) == ["reading", "checksums", "writing"]
    model = read_model(tmp_path / "out")
    assert model.heads == done.heads and model.has_pooler and model.notes == ()
    assert model.tokenizer.vocab[:5] == tuple(PIECES[:5])
    info = read_info(tmp_path / "out")
    assert info is not None
    provenance = info.provenance["imported"]
    assert (provenance["source"], provenance["format"]) == ("chinese_L-2", "TensorFlow checkpoint")
    name = "bert_model.ckpt.data-00000-of-00001"
    assert provenance["sha256"][name] == sha256_of(google / name)
    assert "vocab.txt" in provenance["sha256"] and str(tmp_path) not in json.dumps(info.provenance)
    import_model(tmp_path / "out", tmp_path / "again")
    again = read_info(tmp_path / "again")
    assert again is not None and again.provenance["imported"]["before"] == provenance


def test_values_arrive(masked: Path, masked_model: MaskedLanguageModel, tmp_path: Path) -> None:
    done = import_model(masked, tmp_path / "out")
    assert done.heads == ("masked_lm",) and done.family_by == "config.json and the names of its tensors"
    again = load_masked_language_model(tmp_path / "out").state_dict()
    assert all(torch.equal(again[name], value) for name, value in masked_model.state_dict().items())


def test_the_weight_file_stands_for_its_directory(masked: Path, tmp_path: Path) -> None:
    assert import_model(masked / "model.safetensors", tmp_path / "out").heads == ("masked_lm",)


def test_half_precision_stays(masked: Path, tmp_path: Path) -> None:
    tensors = load_file(masked / "model.safetensors")
    save_file({name: tensor.half() for name, tensor in tensors.items()}, masked / "model.safetensors")
    import_model(masked, tmp_path / "out")
    assert {tensor.dtype for tensor in load_file(tmp_path / "out/model.safetensors").values()} == {
        torch.float16
    }


def test_what_is_not_written_is_said(masked: Path, tmp_path: Path) -> None:
    tensors = load_file(masked / "model.safetensors")
    tensors |= {"bert.pooler.dense.weight": torch.ones(12, 12), "bert.pooler.dense.bias": torch.ones(12)}
    save_file(tensors, masked / "model.safetensors")
    done = import_model(masked, tmp_path / "out")
    assert sorted(done.left_out) == ["bert.pooler.dense.bias", "bert.pooler.dense.weight"]


def test_a_decoder_of_its_own_leaves_the_head_out(
    masked: Path, masked_model: MaskedLanguageModel, tmp_path: Path
) -> None:
    tensors = load_file(masked / "model.safetensors")
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"] + 1
    save_file(tensors, masked / "model.safetensors")
    done = import_model(masked, tmp_path / "out")
    assert done.heads == () and done.saved_as == "BertModel"
    assert any("decoder is tied" in note for note in done.notes)
    assert "the head for masked_lm" in done.left_out
    encoder = load_encoder(tmp_path / "out", pooler=False)
    expected = masked_model.encoder.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in encoder.state_dict().items())


def test_an_encoder_alone_keeps_its_pooler(write_model: WriteModel, encoder: Encoder, tmp_path: Path) -> None:
    directory = write_model(encoder)
    write_list(directory / "vocab.txt", size=17)
    assert import_model(directory, tmp_path / "out").saved_as == "BertModel"
    again = load_encoder(tmp_path / "out")
    assert all(torch.equal(again.state_dict()[name], value) for name, value in encoder.state_dict().items())


def test_a_vocabulary_of_another_size_is_refused_with_both_numbers(google: Path, tmp_path: Path) -> None:
    for size in (28, 30):
        write_list(google / "vocab.txt", size=size)
        with pytest.raises(CheckpointError, match=f"has {size} pieces, the embedding has 29 rows") as caught:
            import_model(google, tmp_path / "out")
        assert caught.value.where == str(google / "vocab.txt") and not (tmp_path / "out").exists()


def test_a_missing_vocabulary(google: Path, tmp_path: Path) -> None:
    moved = (google / "vocab.txt").rename(tmp_path / "elsewhere.txt")
    with pytest.raises(InputError, match="no vocabulary") as caught:
        import_model(google, tmp_path / "out")
    assert "--vocab" in str(caught.value.hint)
    import_model(google, tmp_path / "out", vocabulary=moved)
    assert read_model(tmp_path / "out").tokenizer.vocab_size == 29
    for name in ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / "out" / name).unlink()
    with pytest.raises(InputError, match="no vocabulary"):
        import_model(tmp_path / "out", tmp_path / "again")


def test_case_is_kept_where_the_vocabulary_has_upper_case(google: Path, tmp_path: Path) -> None:
    assert import_model(google, tmp_path / "folded").casing.startswith("folded to lower case, because")
    write_list(google / "vocab.txt", size=29, more=("Tok", "[Sp]"))
    done = import_model(google, tmp_path / "kept")
    assert done.casing.startswith("kept, because 1 pieces") and "Tok" in done.casing
    assert not read_model(tmp_path / "kept").tokenizer.lowercase
    against = import_model(google, tmp_path / "against", lowercase=True)
    assert read_model(tmp_path / "against").tokenizer.lowercase
    assert any("Tok" in note and "never used" in note for note in against.notes)


def test_files_that_keep_case_without_upper_case_pieces_are_doubted(masked: Path, tmp_path: Path) -> None:
    """As `bert-base-chinese` has been published."""
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    (masked / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    done = import_model(masked, tmp_path / "out")
    assert done.casing == "kept, as its files say"
    assert any("every word with one is [UNK]" in note and "--lowercase" in note for note in done.notes)
    asked = import_model(masked, tmp_path / "asked", lowercase=True)
    assert any("you win" in note for note in asked.notes)
    tokenizer = read_model(tmp_path / "asked").tokenizer
    assert isinstance(tokenizer, Tokenizer) and tokenizer.spec.rules.strip_accents
    assert tokenizer.encode("A").ids.tolist() == tokenizer.encode("a").ids.tolist()


def test_electras_two_parts(tmp_path: Path) -> None:
    vocabulary = write_list(tmp_path / "vocab.txt", size=29)
    for part, saved_as in (("generator", "ElectraForMaskedLM"), ("discriminator", "ElectraForPreTraining")):
        done = import_model(DATA / "electra", tmp_path / part, vocabulary=vocabulary, part=part)
        assert done.saved_as == saved_as


def test_what_is_no_checkpoint(masked: Path, google: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(CheckpointError, match="no such file") as caught:
        import_model(tmp_path / "nowhere", out)
    assert "Hugging Face" in str(caught.value.hint)
    with pytest.raises(CheckpointError, match="no generator to choose"):
        import_model(masked, out, part="generator")
    with pytest.raises(ConfigError, match="not touched"):
        import_model(masked, masked, replace=True)
    (google / "bert_model.ckpt.data-00000-of-00001").unlink()
    with pytest.raises(CheckpointError, match="is missing"):
        import_model(google, out)
    (masked / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"no config.json"):
        import_model(masked, out)
    assert not out.exists()


def test_only_a_directory_of_ours_is_replaced(masked: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").touch()
    for replace in (False, True):
        with pytest.raises(StorageError):
            import_model(masked, out, replace=replace)
    (out / "thesis.tex").rename(out / INFO_FILE)
    import_model(masked, out, replace=True)
    assert read_model(out).heads == ("masked_lm",)


def test_an_export_has_nothing_of_ours(
    masked: Path, masked_model: MaskedLanguageModel, tmp_path: Path
) -> None:
    import_model(masked, tmp_path / "ours")
    done = export_model(tmp_path / "ours", tmp_path / "theirs")
    assert done.saved_as == "BertForMaskedLM" and not (tmp_path / "theirs" / INFO_FILE).exists()
    settings = json.loads((tmp_path / "theirs/tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["model_max_length"] == 19
    again = load_masked_language_model(tmp_path / "theirs").state_dict()
    assert all(torch.equal(again[name], value) for name, value in masked_model.state_dict().items())
    with pytest.raises(StorageError):
        export_model(tmp_path / "ours", tmp_path / "theirs")
    export_model(tmp_path / "ours", tmp_path / "theirs", replace=True)


def test_a_family_that_transformers_lacks_is_not_exported(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    vocabulary = write_list(tmp_path / "vocab.txt", size=29)
    done = import_model(DATA / "keras_nezha", tmp_path / "nezha", vocabulary=vocabulary)
    assert done.family == "nezha"
    with pytest.raises(CheckpointError, match="transformers has no Nezha"):
        export_model(tmp_path / "nezha", tmp_path / "out")
