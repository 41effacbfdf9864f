"""One shard: row groups of documents to token ids with boundaries, written by the worker that makes it.

D documents, G groups of a mixture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.config import StrictModel
from erya.corpus.boundaries import mark_boundaries
from erya.corpus.job import write_summary
from erya.corpus.mixture import Mixture
from erya.corpus.shard_plan import Portion, ShardUnit
from erya.data.document_columns import DocumentColumns, MarkedTexts, read_columns
from erya.data.shard_counts import KindCoverage
from erya.data.shard_writer import ShardWriter, TokenBlock
from erya.data.shards import ShardInfo, dtype_for
from erya.tokenizer.coverage import Coverage, measure_coverage
from erya.tokenizer.wordpiece import Tokenizer

# Characters tokenised at once: as many as `Tokenizer` takes in one pass.
_BATCH_CHARACTERS = 1 << 18
_UNKNOWN_CHARACTERS = 1000


class GroupCounts(StrictModel):
    """What came in of one group of a mixture."""

    documents: int = 0
    characters: int = 0
    tokens: int = 0


class ShardSummary(StrictModel):
    """What one unit came to.

    Attributes:
        shard: what the shard holds; None where there was no token and so is none.
        characters: code points read.
        text_bytes: the same as UTF-8.
        uncovered: how many of them, white space left out, no token covers.
        empty: documents without a token, left out.
        groups: training text by group of the mixture.
        by_kind: how the vocabulary fits a sample of them, by kind of character.
        unknown_characters: the most frequent of the sample under [UNK], with counts.
    """

    shard: ShardInfo | None
    characters: int
    text_bytes: int
    uncovered: int
    empty: int
    groups: dict[str, GroupCounts]
    by_kind: dict[str, KindCoverage]
    unknown_characters: dict[str, int]


@dataclass(slots=True)
class _Tally:
    characters: int = 0
    text_bytes: int = 0
    uncovered: int = 0
    empty: int = 0
    groups: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    sample: list[str] = field(default_factory=list)
    wanted_sample: int = 0

    def take_sample(self, texts: list[str]) -> None:
        """Put texts into the sample while characters are wanted for it."""
        for text in texts:
            if not self.wanted_sample:
                return
            self.sample.append(text[: self.wanted_sample])
            self.wanted_sample -= len(self.sample[-1])


class ShardStage:
    """Writes shards. A pure function of its unit; an instance travels to worker processes.

    Args:
        tokenizer: of the ids.
        shards: the directory they are written to.
        summaries: where each unit says that it is done.
        mixture: how often documents stand in the training text; None: once.
        sample_share: on which share of the characters to measure how the vocabulary fits, in [0, 1].
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        shards: Path,
        summaries: Path,
        *,
        mixture: Mixture | None = None,
        sample_share: float = 1.0,
    ) -> None:
        self._tokenizer, self._shards, self._summaries = tokenizer, shards, summaries
        self._mixture, self._sample_share = mixture, sample_share
        self._dtype = dtype_for(tokenizer.vocab_size)

    def __call__(self, unit: ShardUnit) -> tuple[int, int]:
        """Write one shard; gives the characters that were expected of it, and the UTF-8 bytes read.

        Raises:
            InputError: a file of documents is damaged.
            StorageError: the disk refuses.
        """
        writer, tally = ShardWriter(self._shards / unit.name, unit.split, self._dtype), _Tally()
        try:
            for portion in unit.portions:
                tally.wanted_sample = round(self._sample_share * portion.characters) * (portion.copy == 0)
                for documents in self._documents(portion):
                    self._tokenize(documents, writer, tally)
            info = writer.finish()
        finally:
            writer.abandon()
        summary = _summary(info, tally, measure_coverage(self._tokenizer, tally.sample))
        write_summary(summary_path(self._summaries, unit), summary.model_dump())
        return unit.characters, tally.text_bytes

    def _documents(self, portion: Portion) -> Iterator[DocumentColumns]:
        """The documents of a portion, with the names of their groups where they are mixed."""
        if self._mixture is None or portion.group.split != "train":
            yield from read_columns(portion.group)
            return
        by = self._mixture.options.by
        for documents in read_columns(portion.group, names=None if by == "directory" else by):
            if by == "directory":
                documents = documents.named([portion.directory] * len(documents))
            chosen = self._mixture.has_copy(documents.names, documents.clusters, copy=portion.copy)
            yield documents.filter(chosen)

    def _tokenize(self, documents: DocumentColumns, writer: ShardWriter, tally: _Tally) -> None:
        tokens, covered = np.zeros(len(documents), dtype=np.int64), 0
        for batch in documents.batches(_BATCH_CHARACTERS):
            block, per_text, in_tokens = self._block(batch)
            writer.write(block)
            covered += in_tokens
            np.add.at(tokens, batch.rows, per_text)
            tally.take_sample(batch.texts)
        characters = int(documents.lengths.sum())
        tally.characters += characters
        tally.text_bytes += documents.text_bytes
        tally.uncovered += characters - covered - documents.num_spaces()
        tally.empty += int(np.count_nonzero(tokens == 0))
        _count_groups(documents, tokens, tally.groups)

    def _block(self, texts: MarkedTexts) -> tuple[TokenBlock, NDArray[np.int64], int]:
        """The tokens of a batch, how many each of its texts has, and the characters they cover."""
        # Running text has no markup: "[MASK]" in an article about BERT is six characters.
        pieces = self._tokenizer.flat_pieces(texts.texts, literals=False)
        marks = mark_boundaries(pieces, texts)
        block = TokenBlock(
            ids=pieces.ids.astype(self._dtype),
            word_starts=marks.word_starts,
            sentence_ends=marks.sentence_ends,
            document_ends=marks.document_ends,
            unknown_tokens=int(np.count_nonzero(pieces.ids == self._tokenizer.unk_id)),
            pair_starts=marks.pair_starts,
        )
        return block, np.diff(pieces.bounds), marks.covered


def summary_path(summaries: Path, unit: ShardUnit) -> Path:
    """Where a unit says that it is done."""
    return summaries / f"{unit.name}.json"


def _count_groups(
    documents: DocumentColumns, tokens: NDArray[np.int64], groups: dict[str, tuple[int, int, int]]
) -> None:
    if not documents.names:
        return
    names, numbers = np.unique(documents.names, return_inverse=True)
    columns = (np.ones_like(tokens), documents.lengths, tokens)
    # Sums of whole numbers below 2 ** 53 are exact as floats.
    sums = [np.bincount(numbers, weights=column).astype(np.int64).tolist() for column in columns]
    for name, *more in zip(names.tolist(), *sums, strict=True):
        before = groups.get(name, (0, 0, 0))
        groups[name] = (before[0] + more[0], before[1] + more[1], before[2] + more[2])


def _summary(info: ShardInfo | None, tally: _Tally, coverage: Coverage) -> ShardSummary:
    groups = {
        name: GroupCounts(documents=documents, characters=characters, tokens=tokens)
        for name, (documents, characters, tokens) in sorted(tally.groups.items())
    }
    return ShardSummary(
        shard=info,
        characters=tally.characters,
        text_bytes=tally.text_bytes,
        uncovered=tally.uncovered,
        empty=tally.empty,
        groups=groups,
        by_kind={
            name: KindCoverage(
                characters=kind.characters, tokens=kind.tokens, unknown=kind.unknown_characters
            )
            for name, kind in coverage.by_kind.items()
            if kind.characters
        },
        unknown_characters=dict(coverage.unknown_characters.most_common(_UNKNOWN_CHARACTERS)),
    )
