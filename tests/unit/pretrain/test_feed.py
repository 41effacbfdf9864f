from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_shards import write_shards

from erya.config import load_config, validate
from erya.data.shards import Shards
from erya.errors import ConfigError
from erya.pretrain.feed import cut_split, held_out_kinds, training_source
from erya.pretrain.recipe import PretrainRecipe
from erya.tokenizer.wordpiece import Tokenizer

MODEL = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "intermediate_size": 16, "max_positions": 64}
TRAIN = {"steps": 4, "batch_tokens": 600, "learning_rate": 0.001}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("data") / "shards")


def recipe(shards: Path | str = "shards", **sections: dict[str, Any]) -> PretrainRecipe:
    data = {"shards": str(shards), "max_length": 40} | sections.pop("data", {})
    train = TRAIN | sections.pop("train", {})
    whole = {"data": data, "model": MODEL, "train": train, **sections}
    return validate(PretrainRecipe, whole, where="here")


def source(recipe: PretrainRecipe, said: list[str] | None = None) -> Any:
    training = Shards.open(Path(recipe.data.shards), split="train")
    tokenizer = Tokenizer.open(training.tokenizer_directory)
    tell = (said if said is not None else []).append
    sequences = cut_split(training, "train", recipe, tokenizer, tell=tell)
    return training_source(sequences, recipe, tokenizer)


def test_every_key_reaches_the_batches(shards: Path) -> None:
    (plain,) = source(recipe(shards)).batch(0, 0)
    assert plain.prefixes is None and "next_sentence" not in plain.targets and not plain.type_ids.any()
    share = len(plain.targets["masked_labels"]) / plain.num_tokens
    masking = {"prob": 0.5, "unit": "token", "replace": {"mask": 1.0, "random": 0.0}}
    (more,) = source(recipe(shards, masking=masking)).batch(0, 0)
    assert len(more.targets["masked_labels"]) / more.num_tokens > 2 * share
    assert set(more.ids[more.targets["masked_positions"]].tolist()) == {4}
    patterns = {"both": 0.5, "left_to_right": 0.5}
    (mixed,) = source(recipe(shards, patterns=patterns)).batch(0, 0)
    assert mixed.prefixes is not None
    assert (mixed.prefixes == 1).mean() == pytest.approx(0.5, abs=0.35)
    said: list[str] = []
    (pairs,) = source(recipe(shards, objective={"pairs": "order"}), said).batch(0, 0)
    assert set(pairs.targets["next_sentence"].tolist()) == {-1, 0, 1} and pairs.type_ids.any()
    assert "of two texts" in said[0]
    ramp = {"batch_ramp": {"from_tokens": 100, "over_tokens": 1000}}
    (small,) = source(recipe(shards, train=ramp)).batch(0, 0)
    assert small.num_tokens <= 100


def test_a_rate_moves_over_the_batches_whatever_their_micro_batches(shards: Path) -> None:
    moving = source(
        recipe(shards, masking={"prob": {"from": 0.1, "to": 0.6, "tokens": 1200}, "unit": "token"})
    )
    shares = []
    for index in range(3):
        (batch,) = moving.batch(0, index)
        shares.append(len(batch.targets["masked_labels"]) / batch.num_tokens)
    assert shares == sorted(shares) and shares[-1] > 2.5 * shares[0]
    (later,) = moving.batch(5, 0)
    assert len(later.targets["masked_labels"]) / later.num_tokens > 0.4


def test_held_out_text_is_masked_in_every_kind_and_never_otherwise(shards: Path) -> None:
    asked = recipe(
        shards,
        evaluation={"units": ["span", "word"], "max_tokens": 400, "prob": 0.2},
        patterns={"both": 0, "left_to_right": 1},
        masking={"prob": 0.9},
        train={"seed": 7},
    )
    tokenizer = Tokenizer.open(shards / "tokenizer")
    kinds = held_out_kinds(asked, tokenizer, tell=lambda text: None)
    assert [*kinds] == ["span", "word"]
    texts = []
    for batches in kinds.values():
        whole = []
        for batch in batches:
            assert batch.prefixes is None
            ids = batch.ids.copy()
            ids[batch.targets["masked_positions"]] = batch.targets["masked_labels"]
            whole += ids.tolist()
        texts.append(whole)
        share = sum(len(batch.targets["masked_labels"]) for batch in batches) / len(whole)
        assert share == pytest.approx(0.2, abs=0.07)
    assert texts[0] == texts[1], "the same text"
    assert not np.array_equal(kinds["span"][0].ids, kinds["word"][0].ids), "other masks"
    again = held_out_kinds(recipe(shards, evaluation={"max_tokens": 400, "prob": 0.2}), tokenizer, tell=print)
    assert (again["word"][0].ids == kinds["word"][0].ids).all(), "whatever the training is"


def test_shards_without_held_out_text_are_told(tmp_path: Path) -> None:
    bare = write_shards(tmp_path / "bare", held_out=False)
    said: list[str] = []
    assert held_out_kinds(recipe(bare), Tokenizer.open(bare / "tokenizer"), tell=said.append) == {}
    assert said[-1].startswith("warning")


@pytest.mark.parametrize(("both", "warned"), [(0, True), (0.5, False)])
def test_scores_in_a_pattern_that_is_never_learnt_are_warned_of(
    shards: Path, both: float, warned: bool
) -> None:
    said: list[str] = []
    asked = recipe(shards, patterns={"both": both, "left_to_right": 1 - both})
    held_out_kinds(asked, Tokenizer.open(shards / "tokenizer"), tell=said.append)
    assert any("never learns with patterns.both=0" in line for line in said) == warned


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"data": {"parallel": 0.5}}, "no parallel pairs"),
        ({"objective": {"pairs": "next"}, "data": {"max_length": 8}}, "no document gives two texts"),
    ],
)
def test_pairs_that_the_shards_do_not_have_are_refused(
    shards: Path, sections: dict[str, dict[str, Any]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        source(recipe(shards, **sections))
    assert caught.value.where == str(shards) and caught.value.hint


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"patterns": {"left_to_right": 0.3}}, "add up to 1.3, not to 1: set both=0.7"),
        ({"masking": {"replace": {"mask": 0.8, "random": 0.3}}}, "add up to 1.1"),
        ({"masking": {"replace": {"mask": 0, "similar": 0.8}}}, "replace.similar needs similar"),
        ({"masking": {"similar": {}}}, "give replace.similar a share"),
        ({"masking": {"prob": "some"}}, "masking.prob: give a share in"),
        ({"masking": {"prob": {"from": 0.3, "to": 1.2, "tokens": 5}}}, "masking.prob.to"),
        ({"masking": {"prob": {"form": 0.3, "to": 0.2, "tokens": 5}}}, "masking.prob.f"),
        ({"masking": {"span_mean": 8}}, "span_mean"),
        ({"masking": {"ngram_weights": [0, 0]}}, "ngram_weights are shares"),
        ({"masking": {"ngram_weights": [0.5, 0.5]}}, "masking.ngram_weights is not used"),
        ({"masking": {"unit": "ngram", "span_max": 5, "span_mean": 2}}, "masking.span_mean is not used"),
        ({"masking": {"unit": "phrase"}}, "masking.unit"),
        ({"masking": {"whole_word": True}}, "unknown key 'masking.whole_word'"),
        ({"evaluation": {"units": ["word", "word"]}}, "twice"),
        ({"objective": {"pairs": "next"}, "data": {"parallel": 1}}, "have no order to tell"),
        ({"objective": {"pairs": "next"}, "patterns": {"both": 0, "prefix": 1}}, "first tokens that see all"),
    ],
)
def test_what_makes_no_sense_is_refused(sections: dict[str, dict[str, Any]], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe(**sections)
    assert said in caught.value.what


def test_a_rate_is_written_as_it_was_read(tmp_path: Path) -> None:
    from erya.config import dump_yaml

    for prob in (0.3, {"from": 0.3, "to": 0.15, "tokens": 1000}):
        asked = recipe(masking={"prob": prob})
        written = tmp_path / "recipe.yaml"
        written.write_text(dump_yaml(asked))
        assert load_config(PretrainRecipe, written) == asked
        assert asked.model_dump(mode="json")["masking"]["prob"] == prob
    assert load_config(PretrainRecipe, written, ["masking.prob.to=0.2"]).masking.prob.to == 0.2
