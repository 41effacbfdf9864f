"""Tokenizers of other kinds than WordPiece, run by the `tokenizers` library."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from erya.errors import InputError
from erya.files import atomic_write
from erya.tokenizer.directory import TOKENIZER
from erya.tokenizer.encoding import Encoding, EncodingBatch, FlatPieces
from erya.tokenizer.frame import learned_frames
from erya.tokenizer.joined import Joined, Surrogates, join
from erya.tokenizer.library_files import LibraryFiles, digest, load_library, notes_on, special_ids_by_role
from erya.tokenizer.library_spans import SpanMender
from erya.tokenizer.sequences import encode_in_chunks
from erya.tokenizer.spec import Mode
from erya.tokenizer.stretches import bounds_of

_log = logging.getLogger("erya.tokenizer")


class LibraryTokenizer:
    """Byte-level BPE, SentencePiece's Unigram, or whatever else a `tokenizer.json` holds.

    Ids are those of `tokenizers` (and so of the fast tokenizers of `transformers`); spans are mended. Safe to
    share between threads.

    Args:
        files: the files of its directory.
    Raises:
        CheckpointError: the files contradict each other, are damaged, or name no special tokens.
    """

    mode: Mode = "reference"

    def __init__(self, files: LibraryFiles) -> None:
        self.files = files
        self._library = load_library(files)
        self._roles = roles = special_ids_by_role(files, self._library)
        self.pad_id, self.unk_id = roles["pad_token"], roles["unk_token"]
        self.cls_id, self.sep_id = roles["cls_token"], roles["sep_token"]
        self.mask_id = roles["mask_token"]
        self._added = self._library.get_added_tokens_decoder()
        self.special_ids = frozenset(id for id, token in self._added.items() if token.special)
        mask, where = self._added[self.mask_id].content, str(files.directory / TOKENIZER)
        self._frames = learned_frames(self._library, mask, where=where)
        # It would trim spans in its own way.
        self._library.post_processor = None
        self._mend = SpanMender(self._library, unk_id=self.unk_id)
        normaliser = self._library.normalizer
        self.lowercase = normaliser is not None and "a" in normaliser.normalize_str("A")
        num_special = self._frames.single.num_special
        self.notes = notes_on(files, lowercase=self.lowercase, num_special=num_special)

    @classmethod
    def open(cls, directory: Path) -> LibraryTokenizer:
        """Open the tokenizer of a directory that holds a `tokenizer.json`. Its notes are logged.

        Raises:
            InputError: there is none, or a file is not JSON.
            CheckpointError: the files contradict each other, are damaged, or name no special tokens.
        """
        tokenizer = cls(LibraryFiles.read(Path(directory)))
        for note in tokenizer.notes:
            _log.warning("%s: %s", directory, note)
        return tokenizer

    def save(self, directory: Path) -> None:
        """Write the files as they were.

        Args:
            directory: an existing directory; `transformers`, `tokenizers` and `open` open it.
        """
        for name, content in self.files.contents.items():
            with atomic_write(Path(directory) / name) as stream:
                stream.write(content)

    def __reduce__(self) -> tuple[type[LibraryTokenizer], tuple[LibraryFiles]]:
        return LibraryTokenizer, (self.files,)

    @cached_property
    def vocab(self) -> tuple[str, ...]:
        """Every token by id, added ones included; "" where an id is nobody's."""
        ids = self._library.get_vocab(with_added_tokens=True)
        tokens = [""] * (max(ids.values()) + 1)
        for token, id in ids.items():
            tokens[id] = token
        return tuple(tokens)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id."""
        return len(self.vocab)

    @cached_property
    def hash(self) -> str:
        """The sha256 of all that decides about ids."""
        return digest(self.files, self._roles, self._added)

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int | None = None,
        surrogates: Surrogates = "replace",
    ) -> Encoding:
        """Tokenise one text, or a pair: see `encode_batch`."""
        pairs = None if pair is None else [pair]
        return self.encode_batch([text], pairs, max_length=max_length, surrogates=surrogates)[0]

    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        surrogates: Surrogates = "replace",
    ) -> EncodingBatch:
        """Tokenise texts, framed as the post-processor of `tokenizer.json` says; see `AnyTokenizer`.

        A piece that only says that a word begins has an empty span; pieces of one character share its span.
        """
        return encode_in_chunks(
            texts,
            pairs,
            pieces=self._pieces,
            frames=self._frames,
            max_length=max_length,
            surrogates=surrogates,
        )

    def flat_pieces(self, texts: Sequence[str], *, surrogates: Surrogates = "replace") -> FlatPieces:
        """The tokens of many texts end to end, without special tokens around them and never cut.

        Args:
            texts: any strings.
            surrogates: as in `encode_batch`.
        Raises:
            InputError: there is a lone surrogate, and `surrogates` is `error`; names text and character.
        """
        return self._pieces(join(texts, surrogates))

    def _pieces(self, joined: Joined) -> FlatPieces:
        texts = [joined[text] for text in range(len(joined))]
        found = self._library.encode_batch(texts, add_special_tokens=False)
        bounds = bounds_of(np.array([len(encoding) for encoding in found], dtype=np.int64))
        tokens = [(encoding.ids, encoding.offsets) for encoding in found]
        ids = _flat([ids for ids, _ in tokens], int(bounds[-1]))
        spans = self._mend(joined, tokens, ids, np.repeat(np.arange(len(found)), np.diff(bounds)))
        # None belongs to special tokens only, and there are none yet.
        words = _flat([cast("list[int]", encoding.word_ids) for encoding in found], len(ids))
        return FlatPieces(ids, spans.astype(np.int32), words, bounds)

    def decode(self, ids: Sequence[int]) -> str:
        """Text to read, without padding and the tokens around a text.

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        silent = {self.pad_id, self.cls_id, self.sep_id}
        for place, id in enumerate(ids):
            if not 0 <= id < self.vocab_size:
                raise InputError(
                    f"id {id} is outside of the vocabulary of {self.vocab_size}", where=f"place {place}"
                )
        shown = [id for id in ids if id not in silent]
        text: str = self._library.decode(shown, skip_special_tokens=False)
        return text


def _flat(lists: Sequence[list[int]], count: int) -> NDArray[np.int32]:
    return np.fromiter(chain.from_iterable(lists), dtype=np.int32, count=count)
