"""The tokenizer: text to ids, and every id's place in the text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from erya.errors import ConfigError, InputError
from erya.tokenizer.added import AddedTokens
from erya.tokenizer.characters import may_run, native_kinds, reference_kinds
from erya.tokenizer.directory import read_spec, write_spec
from erya.tokenizer.encoding import Encoding, FlatPieces, Pieces
from erya.tokenizer.greedy import GreedyPieces
from erya.tokenizer.layout import lay_out
from erya.tokenizer.lookup import Lookup, RunTokens
from erya.tokenizer.spec import Mode, TokenizerSpec
from erya.tokenizer.vocabulary import run_alphabet
from erya.tokenizer.words import Cutter, NativeCutter, Normalised, ReferenceCutter

# One pass of the fast path: enough to hide Python's overhead, small enough for the processor's cache.
CHUNK_CHARACTERS = 1 << 18


class Tokenizer:
    """WordPiece over Chinese text, in `reference` or `native` mode.

    Safe to share between threads. Sending it to another process sends its vocabulary.

    Args:
        spec: vocabulary and rules.
    """

    def __init__(self, spec: TokenizerSpec) -> None:
        self.spec = spec
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
        self._build()

    def _build(self) -> None:
        rules, spec = self.spec.rules, self.spec
        self._greedy = GreedyPieces(
            self._ids, unk_id=self.unk_id, prefix=rules.prefix, max_word_length=rules.max_word_length
        )
        raw = [token for token in spec.added if not token.normalized]
        self._raw_added = AddedTokens(raw, [token.content for token in raw])
        self._cutter: Cutter
        if spec.mode == "native":
            alphabet = run_alphabet(spec)
            kinds = partial(native_kinds, alphabet=alphabet, lowercase=rules.lowercase)
            self._cutter = NativeCutter(rules, alphabet)
        else:
            kinds = partial(reference_kinds, rules=rules)
            self._cutter = ReferenceCutter(rules)
        late = [token for token in spec.added if token.normalized]
        self._late_added = AddedTokens(late, [self._cutter.normalise(token.content).text for token in late])
        self._has_late = bool(late)
        self._lookup = Lookup(kinds=kinds, ids_of=self._single_ids(), cut_run=self._cut_run)

    def _single_ids(self) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        ids = np.full(0x110000, self.unk_id, dtype=np.int32)
        for piece, id in self._ids.items():
            if len(piece) == 1:
                ids[ord(piece)] = id
        return ids

    @classmethod
    def open(cls, directory: Path) -> Tokenizer:
        """Open the tokenizer of a directory: ours, or that of any Hugging Face BERT.

        Args:
            directory: holds `tokenizer.json`, `vocab.txt` or both, and perhaps `tokenizer_config.json`.
        Raises:
            InputError: there is no tokenizer here, or a file cannot be read.
            CheckpointError: the files contradict each other, the vocabulary is damaged (with the line), or
                the tokenizer is of a kind this one cannot stand in for.
        """
        return cls(read_spec(Path(directory)))

    def save(self, directory: Path) -> None:
        """Write `vocab.txt`, `tokenizer.json`, `tokenizer_config.json` and `special_tokens_map.json`.

        Args:
            directory: an existing directory; `transformers`, `tokenizers` and `Tokenizer.open` open it.
        """
        write_spec(self.spec, Path(directory))

    def __reduce__(self) -> tuple[type[Tokenizer], tuple[TokenizerSpec]]:
        return Tokenizer, (self.spec,)

    @property
    def vocab_size(self) -> int:
        """How many tokens there are, added ones included."""
        return len(self.vocab)

    def encode(self, text: str, pair: str | None = None, *, max_length: int | None = None) -> Encoding:
        """Tokenise one text, or a pair: see `encode_batch`."""
        return self.encode_batch([text], None if pair is None else [pair], max_length=max_length)[0]

    def encode_batch(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, max_length: int | None = None
    ) -> list[Encoding]:
        """Tokenise texts, with [CLS] and [SEP] around them.

        Args:
            texts: any strings.
            pairs: a second text for each.
            max_length: longest sequence, special tokens included; of a pair the longer text is cut first.
        Returns:
            An encoding a text; `truncated` counts what was cut.
        Raises:
            ConfigError: `max_length` leaves no room for the special tokens.
            ValueError: not as many pairs as texts.
        """
        if pairs is not None and len(pairs) != len(texts):
            raise ValueError(f"{len(texts)} texts but {len(pairs)} second texts")
        num_special = 2 if pairs is None else 3
        if max_length is not None and max_length < num_special:
            raise ConfigError(f"max_length is {max_length}, the special tokens alone need {num_special}")
        encodings: list[Encoding] = []
        for chunk in _chunks(texts):
            parts = [self.flat_pieces(texts[chunk])]
            if pairs is not None:
                parts.append(self.flat_pieces(pairs[chunk]))
            encodings += lay_out(parts, cls_id=self.cls_id, sep_id=self.sep_id, max_length=max_length)
        return encodings

    def pieces(self, text: str) -> Pieces:
        """The tokens of one text, without [CLS] and [SEP] and never cut."""
        return self.flat_pieces([text])[0]

    def flat_pieces(self, texts: Sequence[str], *, literals: bool = True) -> FlatPieces:
        """The tokens of many texts end to end.

        Args:
            texts: any strings; all are held in memory at once, with about sixty bytes a character.
            literals: whether "[MASK]" and other added tokens written in a text are those tokens, as in the
                reference. Running text for pre-training says False: there they are just characters.
        """
        if not literals:
            return self._lookup(texts)
        careful = {place for place, text in enumerate(texts) if self._has_late and self._has_late_token(text)}
        found = None
        if any(map(self._raw_added.occurs_in, texts)):
            found = [list(self._raw_added.find(text)) for text in texts]
        if not careful:
            return self._lookup(texts, found)
        flats = [
            self._careful_pieces(text) if place in careful else self.flat_pieces([text])
            for place, text in enumerate(texts)
        ]
        return _join(flats)

    def _cut_run(self, run: str) -> RunTokens:
        return self._cut_words(self._cutter.words(self._cutter.normalise(run)))

    def _cut_words(self, words: Sequence[Normalised]) -> RunTokens:
        tokens = [
            (id, *word.span(start, end), number)
            for number, word in enumerate(words)
            for id, start, end in self._greedy(word.text)
        ]
        return tokens, len(words)

    def _has_late_token(self, text: str) -> bool:
        return self._late_added.occurs_in(self._cutter.normalise(text).text)

    def _careful_pieces(self, text: str) -> FlatPieces:
        """One text in which an added token is written in its normalised form: no fast path for these."""
        tokens: list[tuple[int, int, int, int]] = []
        num_words = 0
        for id, part, place in self._split_at_added(text):
            if id is not None:
                tokens.append((id, place, place + len(part), num_words))
                num_words += 1
                continue
            normalised = self._cutter.normalise(part)
            for late_id, segment in _split(normalised, self._late_added):
                cut, words = self._cut_words(self._cutter.words(segment))
                if late_id is not None:
                    cut, words = [(late_id, *segment.span(0, len(segment.text)), 0)], 1
                tokens += [(i, place + a, place + b, num_words + word) for i, a, b, word in cut]
                num_words += words
        columns = np.array(tokens, dtype=np.int32).reshape(-1, 4)
        bounds = np.array([0, len(columns)], dtype=np.int64)
        return FlatPieces(columns[:, 0].copy(), columns[:, 1:3].copy(), columns[:, 3].copy(), bounds)

    def _split_at_added(self, text: str) -> Iterator[tuple[int | None, str, int]]:
        """The raw added tokens of a text and what stands between them, as (id or None, text, place)."""
        done = 0
        for id, start, end in self._raw_added.find(text):
            yield None, text[done:start], done
            yield id, text[start:end], start
            done = end
        yield None, text[done:], done

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
                text += " " + piece if text and may_run(text[-1]) and may_run(piece[0]) else piece
        return text


def _split(text: Normalised, added: AddedTokens) -> Iterator[tuple[int | None, Normalised]]:
    done = 0
    for id, start, end in added.find(text.text):
        yield None, text.part(done, start)
        yield id, text.part(start, end)
        done = end
    yield None, text.part(done, len(text.text))


def _chunks(texts: Sequence[str]) -> Iterator[slice]:
    start, characters = 0, 0
    for place, text in enumerate(texts):
        characters += len(text) + 1
        if characters >= CHUNK_CHARACTERS:
            yield slice(start, place + 1)
            start, characters = place + 1, 0
    if start < len(texts):
        yield slice(start, len(texts))


def _join(flats: Sequence[FlatPieces]) -> FlatPieces:
    sizes = [0, *(len(flat.ids) for flat in flats)]
    return FlatPieces(
        np.concatenate([flat.ids for flat in flats]),
        np.concatenate([flat.spans for flat in flats]),
        np.concatenate([flat.word_ids for flat in flats]),
        np.cumsum(sizes, dtype=np.int64),
    )
