"""What every tokenizer can do, whichever algorithm it has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from erya.tokenizer.encoding import Encoding, EncodingBatch, FlatPieces
from erya.tokenizer.joined import Surrogates
from erya.tokenizer.spec import Mode


class AnyTokenizer(Protocol):
    """What models, tasks and commands ask of a tokenizer; see `Tokenizer` and `LibraryTokenizer`.

    Attributes:
        mode: `native` covers every character, `reference` gives the ids of Hugging Face's.
        lowercase: whether it folds letter case.
        pad_id, unk_id, cls_id, sep_id, mask_id: the tokens of these roles, whatever they are called.
        special_ids: tokens that are markup, not text.
        notes: what a user should know about how it was opened, a sentence each.
    """

    mode: Mode
    lowercase: bool
    pad_id: int
    unk_id: int
    cls_id: int
    sep_id: int
    mask_id: int
    special_ids: frozenset[int]
    notes: tuple[str, ...]

    @property
    def vocab(self) -> tuple[str, ...]:
        """Every token by id, added ones included; "" where an id is nobody's."""

    @property
    def hash(self) -> str:
        """A sha256; two tokenizers with the same hash give the same ids."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are."""

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int | None = None,
        surrogates: Surrogates = "replace",
    ) -> Encoding:
        """Tokenise one text, or a pair: see `encode_batch`."""

    def encode_batch(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        max_length: int | None = None,
        surrogates: Surrogates = "replace",
    ) -> EncodingBatch:
        """Tokenise texts, with the special tokens of the model's family around them.

        Args:
            texts: any strings.
            pairs: a second text for each.
            max_length: longest sequence, special tokens included; of a pair the longer text is cut first.
            surrogates: `replace` reads a lone surrogate as U+FFFD, `error` refuses it.
        Returns:
            An encoding a text; `truncated` counts what was cut.
        Raises:
            ConfigError: `max_length` leaves no room for the special tokens.
            InputError: there is a lone surrogate, and `surrogates` is `error`; names text and character.
            ValueError: not as many pairs as texts.
        """

    def flat_pieces(self, texts: Sequence[str], *, surrogates: Surrogates = "replace") -> FlatPieces:
        """The tokens of many texts end to end, without special tokens around them and never cut."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text to read, without padding and what frames a text.

        Raises:
            InputError: an id is outside of the vocabulary.
        """

    def save(self, directory: Path) -> None:
        """Write its files into an existing directory, so that `transformers` opens the same tokenizer."""
