"""Shards: what is written is read, and what is damaged is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from erya.data.shard_writer import ShardWriter, TokenBlock
from erya.data.shards import Manifest, Shards, dtype_for
from erya.errors import CheckpointError, EryaError, InputError


def block(seed: int, size: int, *, largest: int = 60_000, pairs: tuple[int, ...] = ()) -> TokenBlock:
    rng = np.random.default_rng(seed)
    bits = [rng.random(size) < 0.3 for _ in range(3)]
    ids = rng.integers(0, largest, size).astype(np.uint32)
    return TokenBlock(ids, *bits, unknown_tokens=seed, pair_starts=np.array(pairs, dtype=np.int64))


def write(directory: Path, *shards: list[TokenBlock], vocab_size: int = 60_000) -> None:
    directory.mkdir(exist_ok=True)
    dtype = dtype_for(vocab_size)
    infos = []
    for number, blocks in enumerate(shards):
        writer = ShardWriter(directory / f"train-{number:05d}", "train", dtype)
        for part in blocks:
            writer.write(part)
        infos.append(writer.finish())
    manifest = Manifest(
        tokenizer_hash="abc",
        vocab_size=vocab_size,
        dtype=dtype,
        characters=1,
        uncovered_characters=0,
        empty_documents=0,
        shards=tuple(info for info in infos if info is not None),
    )
    (directory / "manifest.json").write_text(json.dumps(manifest.model_dump()))


def read_all(shards: Shards, name: str) -> NDArray[np.generic]:
    parts = [
        shard.tokens if name == "tokens" else getattr(shard, name)(0, len(shard.tokens))
        for shard in shards.shards
    ]
    return np.concatenate(parts)


@pytest.mark.parametrize("vocab_size", [60_000, 70_000])
def test_what_is_written_is_read(tmp_path: Path, vocab_size: int) -> None:
    blocks = [block(seed, size, largest=vocab_size) for seed, size in enumerate([0, 3, 40, 99, 1, 250, 7])]
    write(tmp_path, blocks[:4], blocks[4:6], blocks[6:], [], vocab_size=vocab_size)
    shards = Shards.open(tmp_path, split="train", verify=True)
    assert shards.num_tokens == shards.manifest.num_tokens("train") == 400
    assert [shard.info.tokens for shard in shards.shards] == [142, 251, 7]
    assert shards.manifest.unknown_tokens == sum(range(1, 7))
    assert shards.shards[0].tokens.dtype == (np.uint16 if vocab_size == 60_000 else np.uint32)
    assert np.array_equal(read_all(shards, "tokens"), np.concatenate([part.ids for part in blocks]))
    for name in ("word_starts", "sentence_ends", "document_ends"):
        written = np.concatenate([getattr(part, name) for part in blocks])
        assert np.array_equal(read_all(shards, name), written)
    assert shards.manifest.num_bytes == sum(
        file.stat().st_size for file in tmp_path.rglob("*") if file.name != "manifest.json" and file.is_file()
    )
    counts = shards.shards[1].info
    assert counts.words == np.count_nonzero(shards.shards[1].word_starts(0, 251))


def test_second_texts_of_pairs_are_found_again(tmp_path: Path) -> None:
    write(tmp_path, [block(1, 20, pairs=(3, 19)), block(2, 10), block(3, 5, pairs=(1,))], [block(4, 8)])
    paired, plain = Shards.open(tmp_path, split="train", verify=True).shards
    assert (paired.info.pairs, plain.info.pairs) == (3, 0)
    assert np.flatnonzero(paired.pair_starts(0, 35)).tolist() == [3, 19, 31]
    assert np.flatnonzero(paired.pair_starts(4, 31)).tolist() == [15]
    assert not plain.pair_starts(2, 8).any()
    assert not (plain.path / "pair_starts.bin").exists()
    with pytest.raises(IndexError):
        plain.pair_starts(2, 9)


def test_a_shard_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "train-00000", "train", "uint16")
    writer.write(block(1, 20))
    assert not (tmp_path / "train-00000").exists()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_replaced(tmp_path: Path) -> None:
    write(tmp_path, [block(1, 20)])
    write(tmp_path, [block(2, 30)])
    assert Shards.open(tmp_path, split="train", verify=True).num_tokens == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "train-00000"]


@pytest.fixture(scope="module")
def one_shard(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shards, TokenBlock]:
    written = block(1, 77)
    directory = tmp_path_factory.mktemp("shards")
    write(directory, [written])
    return Shards.open(directory, split="train"), written


@given(st.data())
def test_any_stretch_of_bits(one_shard: tuple[Shards, TokenBlock], data: st.DataObject) -> None:
    shards, written = one_shard
    start = data.draw(st.integers(0, 77))
    stop = data.draw(st.integers(start, 77))
    shard = shards.shards[0]
    assert np.array_equal(shard.word_starts(start, stop), written.word_starts[start:stop])
    assert np.array_equal(shard.document_ends(start, stop), written.document_ends[start:stop])


def test_bits_beyond_the_end_are_an_error(one_shard: tuple[Shards, TokenBlock]) -> None:
    with pytest.raises(IndexError):
        one_shard[0].shards[0].word_starts(70, 78)


def test_a_split_without_text_is_empty(one_shard: tuple[Shards, TokenBlock]) -> None:
    heldout = Shards.open(one_shard[0].directory, split="heldout")
    assert (list(heldout.shards), heldout.num_tokens) == ([], 0)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "name",
    ["tokens.bin", "word_starts.bits", "sentence_ends.bits", "document_ends.bits", "pair_starts.bin"],
)
@pytest.mark.parametrize(
    ("damage", "message", "verify"),
    [
        (Path.unlink, "missing", False),
        (cut, "bytes, the manifest says", False),
        (flip, "sha256 differs", True),
    ],
)
def test_damage_is_noticed(
    tmp_path: Path, name: str, damage: Callable[[Path], None], message: str, verify: bool
) -> None:
    write(tmp_path, [block(1, 77, pairs=(5, 6))])
    damage(tmp_path / "train-00000" / name)
    with pytest.raises(InputError, match=message) as caught:
        Shards.open(tmp_path, split="train", verify=verify)
    assert name in str(caught.value.where)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "it has no manifest.json"),
        ("{", "damaged or foreign"),
        ('{"format_version": 2}', "another version of erya wrote these shards"),
    ],
)
def test_a_foreign_directory_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(EryaError, match=message):
        Shards.open(tmp_path, split="train")


def test_another_vocabulary_is_refused(one_shard: tuple[Shards, TokenBlock]) -> None:
    shards, _ = one_shard
    shards.require_tokenizer("abc", of="the model")
    with pytest.raises(CheckpointError, match="another vocabulary than that of the model"):
        shards.require_tokenizer("abd", of="the model")
