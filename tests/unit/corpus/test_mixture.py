"""Mixtures: what is wanted of each group, what comes in, and what makes no sense."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from marked_documents import document, write_documents, write_tokenizer

import erya.data.documents
from erya.config import validate
from erya.corpus.engines.local import LocalEngine
from erya.corpus.mixture import MixtureOptions, Size, add_up, work_out
from erya.corpus.tokenize import tokenize_corpus
from erya.data.shards import Manifest, Shards
from erya.errors import ConfigError, EryaError
from erya.tokenizer.wordpiece import Tokenizer

SIZES = {"books": Size(10, 800), "news": Size(40, 3200), "web": Size(50, 4000), "none": Size(0, 0)}


def by_source(**options: object) -> MixtureOptions:
    return validate(MixtureOptions, {"by": "source", **options}, where="the test")


def test_weights_are_relative() -> None:
    mixture = work_out(by_source(weights={"books": 3, "news": 2, "web": 0}, size=5000), SIZES)
    assert mixture.wanted == {"books": 0.6, "news": 0.4, "web": 0.0}
    assert mixture.repeats == {"books": 3.75, "news": 0.625, "web": 0.0}
    assert mixture.most_copies == 4


def test_the_rest_shares_its_weight_by_size() -> None:
    mixture = work_out(by_source(weights={"books": 1, "*": 1}), SIZES)
    assert mixture.wanted == pytest.approx({"books": 0.5, "news": 0.5 * 32 / 72, "web": 0.5 * 40 / 72})
    assert mixture.repeats == pytest.approx({"books": 5, "news": 5 / 9, "web": 5 / 9})


@pytest.mark.parametrize(
    ("temperature", "expected"),
    [
        (1.0, {"books": 0.1, "news": 0.4, "web": 0.5}),
        (2.0, {name: share**0.5 / 1.65579 for name, share in (("books", 0.1), ("news", 0.4), ("web", 0.5))}),
        (1e9, {"books": 1 / 3, "news": 1 / 3, "web": 1 / 3}),
    ],
)
def test_temperature_brings_shares_nearer(temperature: float, expected: dict[str, float]) -> None:
    mixture = work_out(by_source(temperature=temperature), SIZES)
    assert mixture.wanted == pytest.approx(expected, rel=1e-4)
    total = sum(mixture.repeats[name] * SIZES[name].characters for name in mixture.repeats)
    assert total == pytest.approx(8000)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either weights or a temperature"),
        ({"weights": {"web": 1}, "temperature": 2}, "either weights or a temperature"),
        ({"weights": {"web": -1}}, "weights are positive"),
        ({"weights": {"web": 0}}, "weights are positive"),
        ({"temperature": 0}, "temperature"),
        ({"weights": {"new": 1, "*": 1}}, "did you mean 'news'"),
        ({"weights": {"none": 1, "*": 1}}, "no such training text"),
        ({"weights": {"web": 1, "books": 1}}, "no weight for the source 'news'"),
        ({"weights": {"web": 0, "news": 0, "books": 0, "*": 1}}, "leave nothing over"),
        ({"weights": {"books": 1, "*": 0}, "size": 900_000}, "1,125 times"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(EryaError, match=message):
        work_out(by_source(**options), SIZES)


def test_however_low_a_temperature_the_largest_stays() -> None:
    mixture = work_out(by_source(temperature=0.0005), SIZES)
    assert mixture.wanted == pytest.approx({"books": 0, "news": 0, "web": 1})


def test_what_is_wanted_once_is_read_once() -> None:
    for characters in range(1000, 3000):
        mixture = work_out(by_source(temperature=1), {"a": Size(1, characters), "b": Size(1, 7777)})
        assert mixture.most_copies == 1


def test_nothing_to_mix() -> None:
    with pytest.raises(ConfigError, match="no training text"):
        work_out(by_source(temperature=2), {})


def test_sizes_add_up() -> None:
    assert add_up([{"b": Size(1, 2)}, {"a": Size(3, 4), "b": Size(5, 6)}]) == {
        "a": Size(3, 4),
        "b": Size(6, 8),
    }


def test_documents_are_drawn_by_their_cluster() -> None:
    mixture = work_out(by_source(weights={"books": 1, "*": 0}, size=1840), SIZES)  # 2.3 times
    clusters = np.random.default_rng(0).integers(0, 2**63, 10_000).astype(np.uint64)
    names = ["books"] * 9_000 + ["web"] * 1_000
    passes = [mixture.has_copy(names, clusters, copy=copy) for copy in range(4)]
    assert passes[0][:9_000].all() and passes[1][:9_000].all() and not passes[3].any()
    assert not np.any([chosen[9_000:] for chosen in passes])
    assert passes[2].sum() == pytest.approx(2700, abs=150)
    again = mixture.has_copy(names[::-1], clusters[::-1], copy=2)[::-1]
    assert not (again[1000:9000] ^ passes[2][1000:9000]).any(), "a draw depends on the order"
    other = work_out(mixture.options.model_copy(update={"seed": 1}), SIZES)
    overlap = (other.has_copy(names, clusters, copy=2) & passes[2]).sum() / 9_000
    assert overlap == pytest.approx(0.09, abs=0.02)


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two directories, many row groups: 300 short documents and 100 long ones, some held out."""
    monkeypatch.setattr(erya.data.documents, "ROW_GROUP_CHARACTERS", 200)
    write_tokenizer(tmp_path / "tokenizer")
    short = [
        document(
            "|我|爱/" + "|你" * (number % 7), source="web", split="heldout" if number % 50 == 0 else "train"
        )
        for number in range(300)
    ]
    long = [
        document("|北京|天安门/" * (3 + number), source="books", script="traditional") for number in range(20)
    ]
    more = [document("a" * (2 + number), source="web") for number in range(40)]
    return [
        write_documents(tmp_path / "short", short),
        write_documents(tmp_path / "long", [*long, *more]),
    ]


def mixed(folders: list[Path], name: str, **options: object) -> tuple[Manifest, Path]:
    root = folders[0].parent
    mixture = validate(MixtureOptions, options, where="the test")
    manifest = tokenize_corpus(
        folders, root / "tokenizer", root / name, engine=LocalEngine(1), mixture=mixture, shard_characters=500
    )
    return manifest, root / name


def documents_of(directory: Path, split: str) -> list[str]:
    """The documents of all shards of a split, as text."""
    opened, texts = Tokenizer.open(directory / "tokenizer"), []
    for shard in Shards.open(directory, split=split).shards:
        ends = np.flatnonzero(shard.document_ends(0, shard.info.tokens)) + 1
        texts += [opened.decode(part.tolist()) for part in np.split(shard.tokens, ends)[:-1]]
    return texts


@pytest.mark.parametrize(
    ("by", "heavy", "others"),
    [("source", "books", "web"), ("directory", "long", "short"), ("script", "traditional", "neutral")],
)
def test_the_realised_shares_are_near_the_wanted(
    folders: list[Path], by: str, heavy: str, others: str
) -> None:
    manifest, out = mixed(folders, "out", by=by, weights={heavy: 2, "*": 1}, size=9_000)
    assert manifest.mixture is not None
    group = {group.name: group for group in manifest.mixture}
    assert set(group) == {heavy, others}
    assert group[heavy].weight == 2 and group[others].weight is None
    for one in group.values():
        assert one.share == pytest.approx(one.wanted_share, abs=0.05)
        assert one.repeats == pytest.approx(one.characters / one.characters_there)
    assert sum(one.share for one in group.values()) == pytest.approx(1)
    assert sum(one.tokens for one in group.values()) == manifest.num_tokens("train")
    training = [info for info in manifest.shards if info.split == "train"]
    assert sum(one.documents for one in group.values()) == sum(info.documents for info in training)
    assert len(documents_of(out, "heldout")) == 6


def test_copies_of_a_document_stand_apart(folders: list[Path]) -> None:
    manifest, out = mixed(folders, "out", by="source", weights={"books": 1, "web": 0}, size=3 * 1350)
    assert manifest.mixture is not None
    times = next(group.repeats for group in manifest.mixture if group.name == "books")
    texts = documents_of(out, "train")
    first = texts[0]
    places = [place for place, text in enumerate(texts) if text == first]
    assert len(places) == pytest.approx(times, abs=1)
    assert min(np.diff(places)) >= 15
    assert set(Counter(texts).values()) <= {int(times), int(times) + 1}


def test_without_need_every_document_stands_there_once(folders: list[Path]) -> None:
    manifest, out = mixed(folders, "warm", by="source", temperature=1)
    assert manifest.mixture is not None
    assert [group.repeats for group in manifest.mixture] == [1, 1]
    plain = tokenize_corpus(
        folders, folders[0].parent / "tokenizer", out.with_name("plain"), engine=LocalEngine(1)
    )
    assert plain.mixture is None and plain.characters == manifest.characters
    assert documents_of(out, "train") == documents_of(out.with_name("plain"), "train")
    assert set(plain.source) == {"short", "long"}
