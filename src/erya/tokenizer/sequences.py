"""Texts to sequences in chunks: what every kind of tokenizer does alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from erya.errors import ConfigError
from erya.tokenizer.encoding import EncodingBatch, FlatPieces
from erya.tokenizer.frame import Frames
from erya.tokenizer.joined import Joined, Surrogates, join
from erya.tokenizer.layout import lay_out

# One pass of the fast path: enough to hide Python's overhead, small enough for the processor's cache.
CHUNK_CHARACTERS = 1 << 17


def encode_in_chunks(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    *,
    pieces: Callable[[Joined], FlatPieces],
    frames: Frames,
    max_length: int | None,
    surrogates: Surrogates,
) -> EncodingBatch:
    """Tokenise texts and put special tokens around them.

    Args:
        texts, pairs, max_length, surrogates: as in `AnyTokenizer.encode_batch`, with its errors.
        pieces: gives the tokens of some of the texts.
        frames: the special tokens.
    """
    if pairs is not None and len(pairs) != len(texts):
        raise ValueError(f"{len(texts)} texts but {len(pairs)} second texts")
    frame = frames.single if pairs is None else frames.pair
    if max_length is not None and max_length < frame.num_special:
        raise ConfigError(f"max_length is {max_length}, the special tokens alone need {frame.num_special}")
    batches = []
    for chunk in _chunks(texts):
        columns = [texts] if pairs is None else [texts, pairs]
        parts = [
            pieces(join(column[chunk], surrogates, first=chunk.start, name=name))
            for column, name in zip(columns, ("text", "second text"), strict=False)
        ]
        batches.append(lay_out(parts, frame, max_length=max_length))
    return EncodingBatch.join(batches)


def _chunks(texts: Sequence[str]) -> Iterator[slice]:
    """At least one slice, in order."""
    start, characters = 0, 0
    for place, text in enumerate(texts):
        characters += len(text) + 1
        if characters >= CHUNK_CHARACTERS:
            yield slice(start, place + 1)
            start, characters = place + 1, 0
    if start < len(texts) or not texts:
        yield slice(start, len(texts))
