"""What makes one tokenizer different from another: its vocabulary and its rules."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

Mode = Literal["native", "reference"]

PAD, UNK, CLS, SEP, MASK = SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@dataclass(frozen=True)
class AddedToken:
    """A token found in the text before anything else looks at it, such as the literal "[MASK]".

    Attributes:
        content: how it is written.
        id: its place in the vocabulary.
        special: whether it is markup rather than text.
        normalized: look for it in the normalised text (and so normalise it too), not in the raw text.
        single_word: only where no letter touches it.
        lstrip, rstrip: it takes the white space before it, after it, along.
    """

    content: str
    id: int
    special: bool = True
    normalized: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False


@dataclass(frozen=True)
class Rules:
    """How text becomes words and words become pieces.

    Attributes:
        lowercase: fold case.
        strip_accents: drop combining marks (`reference` only).
        split_hanzi: each Hanzi is a word of its own (`reference` only; `native` always does).
        clean: drop control characters (`reference` only; `native` drops nothing).
        prefix: what marks a piece that continues a word.
        max_word_length: a longer word, in characters, is unknown (`reference`) or cut (`native`).
    """

    lowercase: bool = True
    strip_accents: bool = True
    split_hanzi: bool = True
    clean: bool = True
    prefix: str = "##"
    max_word_length: int = 100


@dataclass(frozen=True)
class TokenizerSpec:
    """A whole tokenizer as data.

    Attributes:
        mode: `native` or `reference`.
        rules: how text is cut.
        pieces: the vocabulary of the model, by id; added tokens may follow it.
        added: added tokens, by id; the five special tokens are among them.
        special_tokens: how pad, unknown, class, separator and mask are written, in this order.
    """

    mode: Mode
    rules: Rules
    pieces: tuple[str, ...]
    added: tuple[AddedToken, ...]
    special_tokens: tuple[str, str, str, str, str] = SPECIAL_TOKENS

    @cached_property
    def vocab(self) -> tuple[str, ...]:
        """Every token by id: the pieces, then the added tokens that are not pieces."""
        extra = sorted((token.id, token.content) for token in self.added if token.id >= len(self.pieces))
        return self.pieces + tuple(content for _, content in extra)

    @cached_property
    def hash(self) -> str:
        """The sha256 of everything above: two tokenizers with the same hash give the same ids."""
        parts = [self.mode, asdict(self.rules), self.pieces, [asdict(token) for token in self.added]]
        text = json.dumps([*parts, self.special_tokens], ensure_ascii=True, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()
