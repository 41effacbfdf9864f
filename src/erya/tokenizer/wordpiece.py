"""The tokenizer: text to ids, and every id's place in the text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from erya.bundled import located
from erya.errors import InputError
from erya.tokenizer.added import AddedTokens
from erya.tokenizer.characters import (
    PageTable,
    may_run,
    native_kinds,
    native_units,
    reference_kinds,
    reference_units,
)
from erya.tokenizer.directory import read_spec, write_spec
from erya.tokenizer.encoding import Encoding, EncodingBatch, FlatPieces, Pieces
from erya.tokenizer.frame import bert_frames
from erya.tokenizer.greedy import GreedyPieces
from erya.tokenizer.joined import Joined, Surrogates, join
from erya.tokenizer.lookup import Lookup
from erya.tokenizer.runs import RunTokens
from erya.tokenizer.sequences import encode_in_chunks
from erya.tokenizer.spec import AddedToken, Mode, TokenizerSpec
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.words import Cutter, NativeCutter, Normalised, ReferenceCutter

_log = logging.getLogger("erya.tokenizer")


class Tokenizer:
    """WordPiece over Chinese text, in `reference` or `native` mode.

    Safe to share between threads. Sending it to another process sends its vocabulary.

    Args:
        spec: vocabulary and rules.
        notes: what a user should know about how it was opened, a sentence each.
    """

    def __init__(self, spec: TokenizerSpec, notes: tuple[str, ...] = ()) -> None:
        self.spec, self.notes = spec, notes
        self.mode: Mode = spec.mode
        self.lowercase = spec.rules.lowercase
        self.vocab = spec.vocab
        self.hash = spec.hash
        self._ids = {piece: id for id, piece in enumerate(spec.pieces)}
        # Added tokens come first, as in the reference: a piece of the same name never gets to speak.
        by_name = self._ids | {token.content: token.id for token in spec.added}
        named = (by_name[name] for name in spec.special_tokens)
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = named
        self.special_ids = frozenset(token.id for token in spec.added if token.special)
        self._frames = bert_frames(self.cls_id, self.sep_id)
        self._build()

    def _build(self) -> None:
        rules, spec = self.spec.rules, self.spec
        self._greedy = GreedyPieces(
            self._ids, unk_id=self.unk_id, prefix=rules.prefix, max_word_length=rules.max_word_length
        )
        self._cutter: Cutter
        if spec.mode == "native":
            alphabet = run_alphabet(spec)
            kinds = partial(native_kinds, alphabet=alphabet, lowercase=rules.lowercase)
            units = partial(native_units, lowercase=rules.lowercase)
            self._cutter = NativeCutter(rules, alphabet)
        else:
            kinds = partial(reference_kinds, rules=rules)
            units = partial(reference_units, rules=rules)
            self._cutter = ReferenceCutter(rules)
        self._units = PageTable(units)
        self._lookup = Lookup(kinds=kinds, ids_of=self._single_ids(), cut_run=self._cut_run)

    @cached_property
    def _added(self) -> AddedTokens:
        return self._finding(self.spec.added)

    @cached_property
    def _added_words(self) -> AddedTokens:
        return self._finding([token for token in self.spec.added if not token.special])

    def _finding(self, tokens: Sequence[AddedToken]) -> AddedTokens:
        one_to_one = self.mode == "native"
        return AddedTokens(tokens, normalise=self._cutter.normalise, units=self._units, one_to_one=one_to_one)

    def _single_ids(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        ids = np.full(0x110000, self.unk_id, dtype=np.int32)
        for piece, id in self._ids.items():
            if len(piece) == 1:
                ids[ord(piece)] = id
        return ids

    @classmethod
    def open(cls, directory: Path) -> Tokenizer:
        """Open the WordPiece tokenizer of a directory: ours, or that of any Hugging Face BERT.

        Its notes are logged. `open_tokenizer` opens those of other kinds, too.

        Args:
            directory: holds `tokenizer.json`, `vocab.txt` or both, and perhaps `tokenizer_config.json`.
        Raises:
            InputError: there is no tokenizer here, or a file cannot be read.
            CheckpointError: the files contradict each other, the vocabulary is damaged (with the line), or
                the tokenizer is of another kind.
        """
        tokenizer = cls(*read_spec(located(Path(directory))))
        for note in tokenizer.notes:
            _log.warning("%s: %s", directory, note)
        return tokenizer

    def save(self, directory: Path) -> None:
        """Write `vocab.txt`, `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.

        Args:
            directory: an existing directory; `transformers`, `tokenizers` and `Tokenizer.open` open it.
        """
        write_spec(self.spec, Path(directory))

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[TokenizerSpec, tuple[str, ...]]]:
        return Tokenizer, (self.spec, self.notes)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, added ones included."""
        return len(self.vocab)

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
        """Tokenise texts, with [CLS] and [SEP] around them.

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
        return encode_in_chunks(
            texts,
            pairs,
            pieces=lambda joined: self._pieces(joined, self._added),
            frames=self._frames,
            max_length=max_length,
            surrogates=surrogates,
        )

    def pieces(self, text: str, *, surrogates: Surrogates = "replace") -> Pieces:
        """The tokens of one text, without [CLS] and [SEP] and never cut."""
        return self.flat_pieces([text], surrogates=surrogates)[0]

    def flat_pieces(
        self, texts: Sequence[str], *, literals: bool = True, surrogates: Surrogates = "replace"
    ) -> FlatPieces:
        """The tokens of many texts end to end.

        Args:
            texts: any strings; all are held in memory at once, with about sixty bytes a character.
            literals: whether "[MASK]" and other special tokens written in a text are those tokens, as in the
                reference. Running text for pre-training says False: there they are just characters. Added
                words that are not special are found in any case.
            surrogates: as in `encode_batch`.
        Raises:
            InputError: there is a lone surrogate, and `surrogates` is `error`; names text and character.
        """
        return self._pieces(join(texts, surrogates), self._added if literals else self._added_words)

    def _pieces(self, joined: Joined, added: AddedTokens) -> FlatPieces:
        found, careful = added.find(joined)
        if not careful:
            return self._lookup(joined, found)
        others = sorted(set(range(len(joined))).difference(careful))
        quick = self._pieces(join([joined[text] for text in others]), added)
        by_text = dict(zip(others, quick, strict=True))
        by_text |= {text: self._split_pieces(added, joined[text]) for text in careful}
        return FlatPieces.join([by_text[text] for text in range(len(joined))])

    def _split_pieces(self, added: AddedTokens, text: str) -> Pieces:
        """One text whose added tokens only its normalised form shows: no fast path for these."""
        tokens: RunTokens = []
        num_words = 0
        for id, part in added.split(text):
            if id is not None:
                cut, words = [(id, *part.span(0, len(part.text)), 0)], 1
            else:
                in_words = self._cutter.words(part)
                cut, words = self._cut_words(in_words), len(in_words)
            tokens += [(piece, start, end, num_words + word) for piece, start, end, word in cut]
            num_words += words
        columns = np.array(tokens, dtype=np.int32).reshape(-1, 4)
        return Pieces(columns[:, 0], columns[:, 1:3], columns[:, 3])

    def _cut_run(self, run: str) -> RunTokens:
        word = self._cutter.plain_word(run)
        if word is not None:
            return [(id, start, end, 0) for id, start, end in self._greedy(word)]
        return self._cut_words(self._cutter.words(self._cutter.normalise(run)))

    def _cut_words(self, words: Sequence[Normalised]) -> RunTokens:
        return [
            (id, *word.span(start, end), number)
            for number, word in enumerate(words)
            for id, start, end in self._greedy(word.text)
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """Text to read: pieces joined, spaces only between words of letters, no [CLS] [SEP] [PAD].

        Raises:
            InputError: an id is outside of the vocabulary.
        """
        silent = {self.pad_id, self.cls_id, self.sep_id}
        text = ""
        for place, id in enumerate(ids):
            if not 0 <= id < len(self.vocab):
                raise InputError(
                    f"id {id} is outside of the vocabulary of {len(self.vocab)}", where=f"place {place}"
                )
            if id in silent:
                continue
            piece = self.vocab[id]
            if piece.startswith(self.spec.rules.prefix) and id not in self.special_ids:
                text += piece.removeprefix(self.spec.rules.prefix)
            else:
                # An empty line of a vocabulary is an empty piece.
                both = text[-1:] + piece[:1]
                text += " " + piece if len(both) == 2 and all(map(may_run, both)) else piece
        return text
