"""Shards: tokens as memory maps, with the bits of word, sentence and document boundaries beside them.

    DIR/manifest.json          counts, sha256 of every file, hash of the tokenizer
    DIR/tokenizer/             the tokenizer the ids belong to
    DIR/train-00000/           tokens.bin (uint16 or uint32, little-endian), and a bit a token, first bit
                               lowest, in word_starts.bits, sentence_ends.bits and document_ends.bits;
                               pair_starts.bin where there are parallel pairs: the places of the tokens
                               that begin a second text, int64, little-endian, ascending

No special tokens are stored. A token starts a word when a word of the segmenter begins inside of it (or in
characters before it that no token covers); the last token of a sentence or document ends it. A parallel pair
is one document: its first text, then its second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from erya.config import StrictModel
from erya.data.shard_counts import MixtureGroup, ShardCoverage
from erya.data.splits import Split
from erya.errors import CheckpointError, InputError
from erya.files import sha256_of

MANIFEST, TOKENIZER, TOKENS = "manifest.json", "tokenizer", "tokens.bin"
WORD_STARTS, SENTENCE_ENDS, DOCUMENT_ENDS = BITS = (
    "word_starts.bits",
    "sentence_ends.bits",
    "document_ends.bits",
)
PAIR_STARTS = "pair_starts.bin"


class ShardInfo(StrictModel):
    """What one shard holds.

    Attributes:
        name: its directory.
        split: training or held-out text.
        tokens, words, sentences, documents: counts of each.
        unknown_tokens: how many of the tokens are [UNK].
        pairs: how many of the documents are parallel pairs.
        sha256: of each file, by name.
    """

    name: str
    split: Split
    tokens: int
    words: int
    sentences: int
    documents: int
    unknown_tokens: int
    pairs: int = 0
    sha256: dict[str, str]

    def file_sizes(self, dtype: Literal["uint16", "uint32"]) -> dict[str, int]:
        """The bytes of each file, by name."""
        sizes = {TOKENS: self.tokens * _stored(dtype).itemsize}
        sizes |= dict.fromkeys(BITS, (self.tokens + 7) // 8)
        return sizes | ({PAIR_STARTS: self.pairs * _PAIR.itemsize} if self.pairs else {})


class Manifest(StrictModel):
    """`manifest.json`.

    Attributes:
        tokenizer_hash: `Tokenizer.hash` of the tokenizer.
        vocab_size: its tokens.
        dtype: how an id is stored.
        characters: code points of the documents read, repeats of a mixture counted each time.
        text_bytes: the same as UTF-8.
        uncovered_characters: how many of them, white space left out, no token covers (`reference` mode
            drops some).
        empty_documents: documents that gave no token and were left out.
        source: the report of the job that made the documents: what was read, kept and dropped, by reason;
            of several documents directories the reports by name.
        mixture: how groups of documents were weighted; None: each document stands there once.
        coverage: how the vocabulary fits; None where nobody measured.
        shards: the shards in order.
    """

    format_version: Literal[1] = 1
    tokenizer_hash: str
    vocab_size: int
    dtype: Literal["uint16", "uint32"]
    characters: int
    text_bytes: int = 0
    uncovered_characters: int
    empty_documents: int
    source: dict[str, Any] = Field(default_factory=dict)
    mixture: tuple[MixtureGroup, ...] | None = None
    coverage: ShardCoverage | None = None
    shards: tuple[ShardInfo, ...]

    def num_tokens(self, split: Split | None = None) -> int:
        """How many tokens there are, in all or in one split."""
        return sum(shard.tokens for shard in self.shards if split in (None, shard.split))

    @property
    def unknown_tokens(self) -> int:
        """How many of the tokens of all shards are [UNK]."""
        return sum(shard.unknown_tokens for shard in self.shards)

    @property
    def num_bytes(self) -> int:
        """The size of all shards."""
        return sum(sum(shard.file_sizes(self.dtype).values()) for shard in self.shards)


@dataclass(frozen=True)
class Shard:
    """One shard of T tokens; nothing is read before it is asked for.

    Attributes:
        path: its directory.
        info: its counts.
        dtype: how an id is stored.
    """

    path: Path
    info: ShardInfo
    dtype: Literal["uint16", "uint32"]

    @cached_property
    def tokens(self) -> NDArray[np.unsignedinteger[Any]]:
        """Token ids, mapped from the file, shape (T,)."""
        return np.memmap(self.path / TOKENS, dtype=_stored(self.dtype), mode="r", shape=(self.info.tokens,))

    def word_starts(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Whether a word begins at each of the tokens `start` to `stop`, shape (stop - start,)."""
        return self._bits(WORD_STARTS, start, stop)

    def sentence_ends(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Whether a sentence ends with each of the tokens `start` to `stop`, shape (stop - start,)."""
        return self._bits(SENTENCE_ENDS, start, stop)

    def document_ends(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Whether a document ends with each of the tokens `start` to `stop`, shape (stop - start,)."""
        return self._bits(DOCUMENT_ENDS, start, stop)

    def pair_starts(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Whether a second text begins at each of the tokens `start` to `stop`, shape (stop - start,)."""
        self._require_inside(start, stop)
        marks = np.zeros(stop - start, dtype=np.bool_)
        first, last = np.searchsorted(self._pairs, [start, stop])
        marks[self._pairs[first:last] - start] = True
        return marks

    @cached_property
    def _pairs(self) -> NDArray[np.int64]:
        if not self.info.pairs:
            return np.zeros(0, dtype=_PAIR)
        return np.memmap(self.path / PAIR_STARTS, dtype=_PAIR, mode="r", shape=(self.info.pairs,))

    @cached_property
    def _maps(self) -> dict[str, NDArray[np.uint8]]:
        # Plain views: slicing a memmap itself takes longer than unpacking the bits of a sequence.
        return {name: np.asarray(np.memmap(self.path / name, dtype=np.uint8, mode="r")) for name in BITS}

    def _bits(self, name: str, start: int, stop: int) -> NDArray[np.bool_]:
        self._require_inside(start, stop)
        first = start // 8
        packed = self._maps[name][first : (stop + 7) // 8]
        return np.unpackbits(packed, bitorder="little")[start - first * 8 : stop - first * 8].view(np.bool_)

    def _require_inside(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.info.tokens:
            raise IndexError(f"tokens {start} to {stop} of a shard of {self.info.tokens}")

    def check(self, *, verify: bool) -> None:
        """See that the files are there and whole; with `verify` read them through."""
        for name, size in self.info.file_sizes(self.dtype).items():
            path = self.path / name
            if not path.is_file():
                raise InputError("a file of the shard is missing", where=str(path), hint=_AGAIN)
            if path.stat().st_size != size:
                raise InputError(
                    f"the file has {path.stat().st_size} bytes, the manifest says {size}",
                    where=str(path),
                    hint=_AGAIN,
                )
            if verify and sha256_of(path) != self.info.sha256.get(name):
                raise InputError(
                    "the file is not what was written: its sha256 differs", where=str(path), hint=_AGAIN
                )


class Shards:
    """The shards of one split of a directory.

    Attributes:
        directory: where they are.
        manifest: counts and hashes of the whole directory.
        shards: the split's; none when the documents had no text of it.
    """

    def __init__(self, directory: Path, manifest: Manifest, shards: Sequence[Shard]) -> None:
        self.directory, self.manifest, self.shards = directory, manifest, shards

    @classmethod
    def open(cls, directory: Path, *, split: Split, verify: bool = False) -> Shards:
        """Open the shards of one split.

        Args:
            directory: what `erya corpus tokenize` wrote.
            split: `train` or `heldout`.
            verify: also read every file through and compare its hash; otherwise only its size is checked.
        Raises:
            InputError: this is no shards directory, or a file of it is missing, cut short or changed.
        """
        manifest = read_manifest(directory)
        shards = [
            Shard(directory / info.name, info, manifest.dtype)
            for info in manifest.shards
            if info.split == split
        ]
        for shard in shards:
            shard.check(verify=verify)
        return cls(directory, manifest, shards)

    @property
    def num_tokens(self) -> int:
        """Tokens in all of these shards."""
        return sum(shard.info.tokens for shard in self.shards)

    @property
    def tokenizer_directory(self) -> Path:
        """Where the tokenizer of these ids is."""
        return self.directory / TOKENIZER

    def require_tokenizer(self, tokenizer_hash: str, *, of: str) -> None:
        """See that the ids belong to a tokenizer.

        Args:
            tokenizer_hash: its `Tokenizer.hash`.
            of: what it is the tokenizer of, for the message.
        Raises:
            CheckpointError: they belong to another one.
        """
        if tokenizer_hash != self.manifest.tokenizer_hash:
            raise CheckpointError(
                f"the shards were made with another vocabulary than that of {of}",
                where=str(self.directory),
                hint=f"erya corpus tokenize DOCUMENTS --tokenizer {of} --out SHARDS",
            )


_PAIR = np.dtype("<i8")
_AGAIN = "make the shards again: erya corpus tokenize DOCUMENTS --tokenizer DIR --out SHARDS"


def read_manifest(directory: Path) -> Manifest:
    """Read `manifest.json`.

    Raises:
        InputError: this is no shards directory, or another format version wrote it.
    """
    path = directory / MANIFEST
    if not path.is_file():
        lack = f"it has no {MANIFEST}" if directory.is_dir() else "it is not there"
        hint = "name a directory that erya corpus tokenize or erya corpus build wrote"
        raise InputError(f"not a shards directory: {lack}", where=str(directory), hint=hint)
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        fields = [".".join(map(str, each["loc"])) for each in error.errors()]
        what = f"damaged or foreign: {': '.join(filter(None, (fields[0], first['msg'])))}"
        if "format_version" in fields:
            what = "another version of erya wrote these shards, in another format"
        raise InputError(what, where=str(path), hint=_AGAIN) from None


def require_vocabulary(ids: NDArray[np.integer], vocab_size: int) -> None:
    """Check tokens that were read: files are not read through before, only their sizes are compared.

    Args:
        ids: any number of them.
        vocab_size: they are below it.
    Raises:
        InputError: one is not; the file was damaged.
    """
    greatest = int(ids.max(initial=0))
    if greatest >= vocab_size:
        raise InputError(
            f"the shards hold a token with the id {greatest}, but their vocabulary has {vocab_size} tokens: "
            "a file was damaged after it was written",
            hint=_AGAIN,
        )


def dtype_for(vocab_size: int) -> Literal["uint16", "uint32"]:
    """The smallest type that holds every id of a vocabulary."""
    return "uint16" if vocab_size <= 1 << 16 else "uint32"


def _stored(dtype: Literal["uint16", "uint32"]) -> np.dtype[np.unsignedinteger[Any]]:
    return np.dtype(dtype).newbyteorder("<")
