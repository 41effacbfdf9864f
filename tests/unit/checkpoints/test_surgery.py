"""New rows for new tokens: means of the old, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tiny_models import PIECES, WriteModel
from torch import nn

import erya
from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.checkpoints.info import ModelInfo, read_info, read_json, write_json
from erya.checkpoints.surgery import EXTENDED, extend_model, grown_rows
from erya.errors import CheckpointError
from erya.models.masked_lm import MaskedLanguageModel
from erya.tokenizer.extend import Extension, extend_vocabulary
from erya.tokenizer.wordpiece import Tokenizer

EMBEDDING = "bert.embeddings.word_embeddings.weight"
WRITE = Callable[[Path], None]


@pytest.fixture
def source(masked_model: MaskedLanguageModel, write_model: WriteModel, write_vocabulary: WRITE) -> Path:
    """A masked language model with 17 rows for 15 pieces."""
    directory = write_model(masked_model)
    write_vocabulary(directory)
    return directory


def extend(source: Path, out: Path, words: list[str], *, pad_to: int = 1) -> Extension:
    """Extend the model in `source` into `out`."""
    out.mkdir()
    extension = extend_vocabulary(Tokenizer.open(source), words, pad_to=pad_to)
    extend_model(
        source,
        out,
        tokenizer=Tokenizer(extension.spec),
        parts={token.id: token.parts for token in (*extension.new, *extension.padding)},
        provenance={"words": len(words)},
    )
    return extension


WORDS = ["酒店", "鑫", "这家酒店", "ab"]


def test_rows_are_the_means_of_the_old_pieces(source: Path, tmp_path: Path) -> None:
    extension = extend(source, tmp_path / "out", WORDS)
    old, new = load_file(source / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    of = {token.content: token for token in extension.new}
    assert of["酒店"].parts == (PIECES.index("酒"), PIECES.index("店"))
    assert of["鑫"].parts == (PIECES.index("[UNK]"),)
    assert of["ab"].parts == (PIECES.index("a"), PIECES.index("##b"))
    for name in (EMBEDDING, "cls.predictions.bias"):
        assert len(new[name]) == 19
        for token in extension.new:
            torch.testing.assert_close(new[name][token.id], old[name][list(token.parts)].mean(dim=0))
        assert torch.equal(new[name][:15], old[name][:15])
    assert {name for name in old if not torch.equal(old[name], new[name])} == {
        EMBEDDING,
        "cls.predictions.bias",
    }
    assert read_json(tmp_path / "out" / "config.json") == read_json(source / "config.json") | {
        "vocab_size": 19
    }


def test_texts_without_new_words_keep_their_logits(source: Path, tmp_path: Path) -> None:
    extend(source, tmp_path / "out", WORDS)
    before = transformers.AutoModelForMaskedLM.from_pretrained(source).eval()
    after = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "out").eval()
    ours = load_masked_language_model(tmp_path / "out").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    inputs = tokenizer("很好[MASK]这店。b", return_tensors="pt")
    assert inputs["input_ids"].tolist() == [Tokenizer.open(source).encode("很好[MASK]这店。b").ids.tolist()]
    with torch.no_grad():
        old, new = before(**inputs).logits, after(**inputs).logits
        assert torch.equal(new[..., :15], old[..., :15])
        assert (
            after.get_output_embeddings().weight.data_ptr() == after.get_input_embeddings().weight.data_ptr()
        )
        hidden, _ = ours.encoder.padded(inputs["input_ids"], inputs["attention_mask"])
        torch.testing.assert_close(hidden, after.bert(**inputs).last_hidden_state, atol=1e-5, rtol=1e-4)


def test_new_words_are_one_token_everywhere(source: Path, tmp_path: Path) -> None:
    extension = extend(source, tmp_path / "out", WORDS)
    ids = {token.content: token.id for token in extension.new}
    text = "这家酒店很鑫，酒店ab"
    wanted = [2, ids["这家酒店"], PIECES.index("很"), ids["鑫"], 1, ids["酒店"], ids["ab"], 3]
    assert erya.open_tokenizer(tmp_path / "out").encode(text).ids.tolist() == wanted
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out")(text)["input_ids"] == wanted
    assert erya.open_encoder(tmp_path / "out").config.vocab_size == 19


def test_spare_rows_of_the_embedding_are_used_first(source: Path, tmp_path: Path) -> None:
    extension = extend(source, tmp_path / "out", ["酒店"])
    assert [token.id for token in extension.new] == [15]
    assert read_model(tmp_path / "out").encoder_config.vocab_size == 17


def test_padding_is_the_unknown_row(source: Path, tmp_path: Path) -> None:
    extension = extend(source, tmp_path / "out", WORDS, pad_to=8)
    rows = load_file(tmp_path / "out" / "model.safetensors")[EMBEDDING]
    assert len(rows) == 24 == Tokenizer.open(tmp_path / "out").vocab_size
    assert [token.id for token in extension.padding] == [19, 20, 21, 22, 23]
    assert torch.equal(rows[19:], rows[1].expand(5, -1))


def test_a_repeated_decoder_stays_tied_and_other_heads_stay(source: Path, tmp_path: Path) -> None:
    path = source / "model.safetensors"
    stored = load_file(path)
    stored |= {
        "cls.predictions.decoder.weight": stored[EMBEDDING].clone(),
        "cls.predictions.decoder.bias": stored["cls.predictions.bias"].clone(),
        "cls.seq_relationship.weight": torch.ones(2, 12),
        "bert.embeddings.position_ids": torch.arange(19)[None],
    }
    save_file(stored, path, metadata={"format": "pt"})
    extend(source, tmp_path / "out", WORDS)
    new = load_file(tmp_path / "out" / "model.safetensors")
    assert set(new) == set(stored) - {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}
    assert torch.equal(new["cls.seq_relationship.weight"], torch.ones(2, 12))
    load_masked_language_model(tmp_path / "out")


def test_half_precision_and_pickled_weights(source: Path, tmp_path: Path) -> None:
    stored = {name: value.half() for name, value in load_file(source / "model.safetensors").items()}
    (source / "model.safetensors").unlink()
    torch.save(stored | {"cls.predictions.decoder.weight": stored[EMBEDDING]}, source / "pytorch_model.bin")
    extend(source, tmp_path / "out", WORDS)
    new = load_file(tmp_path / "out" / "model.safetensors")
    assert {tensor.dtype for tensor in new.values()} == {torch.float16}
    assert len(new[EMBEDDING]) == 19


def test_a_classifier_grows_its_embedding_alone(
    classifier: nn.Module, write_model: WriteModel, write_vocabulary: WRITE, tmp_path: Path
) -> None:
    source = write_model(classifier)
    write_vocabulary(source)
    extend(source, tmp_path / "out", WORDS)
    old, new = load_file(source / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    assert {name for name in old if not torch.equal(old[name], new[name])} == {EMBEDDING}


def test_provenance_is_noted_each_time(source: Path, tmp_path: Path) -> None:
    info = ModelInfo(task="masked_lm", max_length=19, provenance={"seed": 3})
    write_json(source / "erya.json", info.model_dump(mode="json"))
    extend(source, tmp_path / "one", ["酒店"])
    extend(tmp_path / "one", tmp_path / "two", ["鑫"])
    found = read_info(tmp_path / "two")
    assert found is not None
    assert found.provenance == {"seed": 3, EXTENDED: [{"words": 1}, {"words": 1}]}
    assert read_info(source) == info


def test_a_model_that_does_not_fit_is_refused(source: Path, tmp_path: Path) -> None:
    config = read_json(source / "config.json")
    write_json(source / "config.json", config | {"vocab_size": 16})
    extend(source, tmp_path / "out", WORDS)
    assert read_json(tmp_path / "out" / "config.json")["vocab_size"] == 19, "counted from 17 rows"
    (source / "vocab.txt").write_text("\n".join([*PIECES, *"一二三"]) + "\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="18 pieces, the embedding only 17 rows"):
        extend(source, tmp_path / "again", ["酒店"])


def test_rows_by_hand() -> None:
    tensor = torch.tensor([[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]])
    grown = grown_rows(tensor, 5, {1: (0, 2), 4: (1, 2, 2)})
    assert grown.tolist()[1] == [3.0, 1.5]
    torch.testing.assert_close(grown[4], torch.tensor([13 / 3, 8 / 3]))
    assert grown[3].tolist() == [0, 0]
    assert grown[[0, 2]].tolist() == [[1, 2], [5, 1]]
    assert tensor.tolist()[1] == [3, 6]
