"""Shards of made-up text, for machines that have none: as long, as many kinds of tokens, something to learn.

Half of the tokens follow from the one before them, the others are drawn as Zipf says; words have one to three
tokens, sentences about 20, documents about 400.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.data.shard_writer import ShardWriter, TokenBlock
from erya.data.shards import Manifest, ShardInfo
from erya.data.splits import Split
from erya.tokenizer.wordpiece import Tokenizer

VOCAB_SIZE, SPECIAL = 21_128, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_FIRST_HANZI = 0x3400


def write_made_up_shards(directory: Path, *, tokens: int = 20_000_000) -> Path:
    """Make a shards directory with a tokenizer of 21,128 tokens.

    Args:
        directory: must not exist.
        tokens: to train on; a fiftieth as many are held out.
    """
    tokenizer = _write_tokenizer(directory / "tokenizer")
    infos = [
        _write(directory / "train-00000", "train", tokens, seed=0),
        _write(directory / "heldout-00000", "heldout", tokens // 50, seed=1),
    ]
    manifest = Manifest(
        tokenizer_hash=tokenizer.hash,
        vocab_size=tokenizer.vocab_size,
        dtype="uint16",
        characters=0,
        uncovered_characters=0,
        empty_documents=0,
        shards=tuple(infos),
    )
    (directory / "manifest.json").write_text(manifest.model_dump_json(), encoding="utf-8")
    return directory


def _write(path: Path, split: Split, tokens: int, *, seed: int) -> ShardInfo:
    rng = np.random.default_rng(seed)
    ordinary = VOCAB_SIZE - len(SPECIAL)
    drawn = (rng.zipf(1.2, tokens) - 1) % ordinary
    follows = rng.random(tokens) < 0.5
    follows[0] = False
    # A token that follows is its predecessor's neighbour; runs of them are few tokens long.
    since = np.arange(tokens) - np.maximum.accumulate(np.where(follows, 0, np.arange(tokens)))
    ids = (drawn[np.arange(tokens) - since] + since * 7919) % ordinary + len(SPECIAL)
    documents = _ends(rng, tokens, 400)
    block = TokenBlock(
        ids.astype(np.uint16), rng.random(tokens) < 0.6, _ends(rng, tokens, 20) | documents, documents, 0
    )
    writer = ShardWriter(path, split, "uint16")
    writer.write(block)
    info = writer.finish()
    assert info is not None, "a shard has tokens"
    return info


def _ends(rng: np.random.Generator, tokens: int, mean: int) -> NDArray[np.bool_]:
    marks: NDArray[np.bool_] = rng.random(tokens) < 1 / mean
    marks[-1] = True
    return marks


def _write_tokenizer(directory: Path) -> Tokenizer:
    directory.mkdir(parents=True)
    hanzi = [chr(_FIRST_HANZI + number) for number in range(VOCAB_SIZE - len(SPECIAL))]
    (directory / "vocab.txt").write_text("\n".join([*SPECIAL, *hanzi]) + "\n", encoding="utf-8")
    tokenizer = Tokenizer.open(directory)
    tokenizer.save(directory)
    return tokenizer
