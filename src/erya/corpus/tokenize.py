"""`erya corpus tokenize`: documents to shards.

C characters, N tokens, D documents.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.corpus.engines.local import map_in_order
from erya.data.documents import (
    Document,
    DocumentsManifest,
    RowGroup,
    read_manifest,
    read_row_group,
    row_groups,
)
from erya.data.shard_writer import SHARD_TOKENS, ShardsWriter, TokenBlock
from erya.data.shards import MANIFEST, TOKENIZER, Manifest, ShardInfo, dtype_for
from erya.data.splits import SPLITS, Split
from erya.errors import InputError
from erya.files import atomic_directory, atomic_write
from erya.runtime import available_cores
from erya.tokenizer.encoding import FlatPieces
from erya.tokenizer.wordpiece import Tokenizer

# Characters tokenised at once: bounds memory, see `Tokenizer.flat_pieces`.
_BATCH_CHARACTERS = 1 << 18
# Starting a worker takes about as long as tokenising so many characters.
_CHARACTERS_WORTH_A_WORKER = 10_000_000


@dataclass(frozen=True, slots=True)
class Tokenised:
    """What one row group came to.

    Attributes:
        split: of its documents.
        block: their tokens.
        characters: code points read; `text_bytes` as UTF-8.
        uncovered: how many of them, white space left out, no token covers.
        empty: documents without a token, left out.
    """

    split: Split
    block: TokenBlock
    characters: int
    text_bytes: int
    uncovered: int
    empty: int


class TokenizeStage:
    """Row groups to tokens. Calling it is a pure function; an instance travels to worker processes."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._dtype = np.dtype(dtype_for(tokenizer.vocab_size))

    def __call__(self, group: RowGroup) -> Tokenised:
        """Tokenise every document of `group`."""
        done = [self._batch(batch, group.split) for batch in _batches(read_row_group(group))]
        return Tokenised(
            split=group.split,
            block=_joined([part.block for part in done], self._dtype),
            characters=sum(part.characters for part in done),
            text_bytes=sum(part.text_bytes for part in done),
            uncovered=sum(part.uncovered for part in done),
            empty=sum(part.empty for part in done),
        )

    def _batch(self, documents: Sequence[Document], split: Split) -> Tokenised:
        texts = [document.text for document in documents]
        # Running text has no markup: "[MASK]" in an article about BERT is six characters.
        pieces = self._tokenizer.flat_pieces(texts, literals=False)
        marks, covered = mark_boundaries(pieces, documents)
        unknown = int(np.count_nonzero(pieces.ids == self._tokenizer.unk_id))
        visible = sum(len(word) for text in texts for word in text.split())
        return Tokenised(
            split=split,
            block=TokenBlock(pieces.ids.astype(self._dtype), *marks, unknown),
            characters=sum(map(len, texts)),
            text_bytes=sum(len(text.encode("utf-8", "surrogatepass")) for text in texts),
            uncovered=max(visible - covered, 0),
            empty=int(np.count_nonzero(np.diff(pieces.bounds) == 0)),
        )


def mark_boundaries(
    pieces: FlatPieces, documents: Sequence[Document]
) -> tuple[tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]], int]:
    """Carry boundaries from characters to tokens.

    Args:
        pieces: the tokens of the documents.
        documents: with word starts and sentence ends by character.
    Returns:
        Word starts, sentence ends and document ends, bool, shape (N,) each; and how many characters the
        tokens cover.
    """
    lengths = np.array([len(document.text) for document in documents], dtype=np.int64)
    firsts = np.concatenate([[0], np.cumsum(lengths)])
    counts = np.diff(pieces.bounds)
    document_start, document_end = np.repeat(firsts[:-1], counts), np.repeat(firsts[1:], counts)
    starts = pieces.spans[:, 0] + document_start
    ends = pieces.spans[:, 1] + document_start
    num_starts = _counts_before([document.word_starts for document in documents])
    num_ends = _counts_before([document.sentence_ends for document in documents])

    # A token answers for its characters and for uncovered ones before it. Tokens that share a character (a
    # Hangul syllable in three pieces) leave its word start to the first, its sentence end to the last.
    answered = np.maximum(np.concatenate([[0], np.maximum.accumulate(ends)[:-1]]), document_start)[
        : len(ends)
    ]
    word_starts = num_starts[np.maximum(ends, answered)] > num_starts[answered]
    upcoming = np.concatenate([np.minimum.accumulate(starts[::-1])[::-1][1:], firsts[-1:]])[: len(starts)]
    upcoming = np.minimum(upcoming, document_end)
    sentence_ends = num_ends[upcoming] > num_ends[np.minimum(starts, upcoming)]

    document_ends = np.zeros(len(starts), dtype=np.bool_)
    document_ends[pieces.bounds[1:][counts > 0] - 1] = True
    covered = int(np.maximum(ends - np.maximum(starts, answered), 0).sum())
    return (word_starts, sentence_ends | document_ends, document_ends), covered


def tokenize_corpus(
    documents: Path,
    tokenizer: Path,
    out: Path,
    *,
    workers: int | None = None,
    replace: bool = False,
    shard_tokens: int = SHARD_TOKENS,
    on_progress: Callable[[int, int, int], None] | None = None,
) -> Manifest:
    """Turn documents into shards. The outcome does not depend on the number of workers.

    Args:
        documents: a documents directory.
        tokenizer: the directory of the tokenizer.
        out: the shards directory to make; it appears when it is whole.
        workers: processes; None: as many as the machine has cores and the text is worth.
        replace: whether `out` may be replaced if it is a shards directory.
        shard_tokens: a new shard begins when one has this many tokens.
        on_progress: called with the characters done, the characters in all, and the UTF-8 bytes done.
    Returns:
        The manifest, with all counts.
    Raises:
        InputError: `documents` or `tokenizer` cannot be used, or the documents gave no token.
        CheckpointError: the tokenizer's files contradict each other.
        StorageError: `out` is taken or the disk refuses.
        EryaError: a worker process died.
    """
    opened = Tokenizer.open(tokenizer)
    source = read_manifest(documents)
    groups = row_groups(documents)
    total = sum(group.characters for group in groups)
    worth = total // _CHARACTERS_WORTH_A_WORKER
    workers = workers or max(1, min(available_cores(), len(groups), worth))
    totals = _Totals()
    with atomic_directory(out, replace=replace, marker=MANIFEST) as directory:
        writers = {
            split: ShardsWriter(directory, split, dtype_for(opened.vocab_size), shard_tokens=shard_tokens)
            for split in SPLITS
        }
        try:
            stage = TokenizeStage(opened)
            with closing(map_in_order(stage, groups, workers=workers)) as results:
                for result in results:
                    writers[result.split].write(result.block)
                    totals.add(result)
                    if on_progress is not None:
                        on_progress(totals.characters, total, totals.text_bytes)
            shards = tuple(info for split in SPLITS for info in writers[split].finish())
        finally:
            for writer in writers.values():
                writer.abandon()
        manifest = _manifest(opened, source, totals, shards)
        if not shards:
            raise InputError("the documents gave not a single token", where=str(documents))
        (directory / TOKENIZER).mkdir()
        opened.save(directory / TOKENIZER)
        with atomic_write(directory / MANIFEST) as stream:
            stream.write(json.dumps(manifest.model_dump(), ensure_ascii=False, indent=1).encode())
    return manifest


@dataclass(slots=True)
class _Totals:
    characters: int = 0
    text_bytes: int = 0
    uncovered: int = 0
    empty: int = 0

    def add(self, result: Tokenised) -> None:
        self.characters += result.characters
        self.text_bytes += result.text_bytes
        self.uncovered += result.uncovered
        self.empty += result.empty


def _manifest(
    tokenizer: Tokenizer, source: DocumentsManifest, totals: _Totals, shards: tuple[ShardInfo, ...]
) -> Manifest:
    return Manifest(
        tokenizer_hash=tokenizer.hash,
        vocab_size=tokenizer.vocab_size,
        dtype=dtype_for(tokenizer.vocab_size),
        characters=totals.characters,
        uncovered_characters=totals.uncovered,
        empty_documents=totals.empty,
        source=source.report,
        shards=shards,
    )


def _batches(documents: Iterator[Document]) -> Iterator[list[Document]]:
    batch: list[Document] = []
    characters = 0
    for document in documents:
        batch.append(document)
        characters += len(document.text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _counts_before(bits: Sequence[NDArray[np.bool_]]) -> NDArray[np.int64]:
    """How many bits are set before each character of all documents end to end, shape (C + 1,)."""
    counts = np.zeros(sum(map(len, bits)) + 1, dtype=np.int64)
    np.cumsum(np.concatenate(bits), out=counts[1:])
    return counts


def _joined(blocks: Sequence[TokenBlock], dtype: np.dtype[np.unsignedinteger]) -> TokenBlock:
    none = np.zeros(0, dtype=np.bool_)
    return TokenBlock(
        np.concatenate([np.zeros(0, dtype=dtype), *(block.ids for block in blocks)]),
        np.concatenate([none, *(block.word_starts for block in blocks)]),
        np.concatenate([none, *(block.sentence_ends for block in blocks)]),
        np.concatenate([none, *(block.document_ends for block in blocks)]),
        sum(block.unknown_tokens for block in blocks),
    )
