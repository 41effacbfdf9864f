"""Shards of random tokens: in memory with the reading side of the real ones, or written as real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.data.shard_writer import ShardWriter, TokenBlock
from erya.data.shards import Manifest
from erya.tokenizer.wordpiece import Tokenizer

CLS, SEP, MASK, VOCAB = 2, 3, 4, 50


class FakeShard:
    """Documents of sentences of 1 to 12 tokens; a token in two begins a word."""

    def __init__(self, seed: int, *, documents: int = 20) -> None:
        rng = np.random.default_rng(seed)
        sentences = [rng.integers(1, 13, rng.integers(1, 10)) for _ in range(documents)]
        ends = np.cumsum(np.concatenate(sentences))
        self.tokens: NDArray[np.uint16] = rng.integers(5, VOCAB, ends[-1]).astype(np.uint16)
        self.sentences = self._marks(ends)
        self.documents = self._marks(np.cumsum([lengths.sum() for lengths in sentences]))
        self.words = rng.random(len(self.tokens)) < 0.5

    def _marks(self, ends: NDArray[np.int64]) -> NDArray[np.bool_]:
        marks = np.zeros(len(self.tokens), dtype=bool)
        marks[ends - 1] = True
        return marks

    def word_starts(self, start: int, stop: int) -> NDArray[np.bool_]:
        return self.words[start:stop]

    def sentence_ends(self, start: int, stop: int) -> NDArray[np.bool_]:
        return self.sentences[start:stop]

    def document_ends(self, start: int, stop: int) -> NDArray[np.bool_]:
        return self.documents[start:stop]


def write_shards(directory: Path, *, first_character: str = "一", held_out: bool = True) -> Path:
    """A real shards directory with the text of fake shards, over a vocabulary of neighbouring Hanzi."""
    tokenizer = write_tokenizer(directory / "tokenizer", first_character=first_character)
    infos = []
    for split, seeds in (("train", (0, 1)), ("heldout", (2,) if held_out else ())):
        for number, seed in enumerate(seeds):
            writer, shard = ShardWriter(directory / f"{split}-{number:05d}", split, "uint16"), FakeShard(seed)
            writer.write(TokenBlock(shard.tokens, shard.words, shard.sentences, shard.documents, 0))
            infos.append(writer.finish())
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


def write_tokenizer(directory: Path, *, first_character: str) -> Tokenizer:
    directory.mkdir(parents=True)
    hanzi = [chr(ord(first_character) + number) for number in range(VOCAB - 5)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *hanzi]
    (directory / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    tokenizer = Tokenizer.open(directory)
    tokenizer.save(directory)
    return tokenizer
