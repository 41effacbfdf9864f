"""The first stage: a unit of raw text to cleaned, filtered documents, and what duplicates are found by.

D documents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from erya.corpus.decontaminate.stage import EvaluationStage
from erya.corpus.deduplicate.folding import Folded, fold
from erya.corpus.deduplicate.lines import line_batch
from erya.corpus.deduplicate.signatures import signature_batch
from erya.corpus.drafts import Draft, read_drafts
from erya.corpus.filters.apply import Filters
from erya.corpus.job import write_summary
from erya.corpus.places import UnitFiles
from erya.corpus.read.bundles import WorkUnit
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import BlockSummary, length_counts, peak_memory, timed
from erya.files import storage_error
from erya.text.private import mask_private

TEXTS = pa.schema(
    [
        pa.field("doc", pa.int64(), nullable=False),
        pa.field("fingerprint", pa.uint64(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("title", pa.string()),
        pa.field("pair_start", pa.int32()),
    ]
)


class BlockStage:
    """Units of blocks to files of drafts. A pure function; an instance travels to worker processes.

    Args:
        recipe: what happens to a record.
        folder: where the folders of the bundles are.
        evaluation: leaves out documents that hold evaluation texts; None where there are none.
    """

    def __init__(self, recipe: CorpusRecipe, folder: Path, evaluation: EvaluationStage | None = None) -> None:
        self._recipe, self._folder, self._evaluation = recipe, folder, evaluation
        self._filters = Filters(recipe.filters)

    def __call__(self, unit: WorkUnit) -> BlockSummary:
        """Read, clean, filter and write every record of `unit`."""
        files = UnitFiles(self._folder / unit.folder, unit.number)
        first = unit.parts[0]
        summary = BlockSummary(
            bundle=unit.bundle,
            number=unit.number,
            first_file=first.file.number,
            first_block=first.number,
            stored_bytes=unit.stored_bytes,
            raw_bytes=sum(part.text_bytes for part in unit.parts),
        )
        with timed(summary.seconds, "read and clean"):
            drafts = read_drafts(unit, self._recipe, summary)
        with timed(summary.seconds, "filter"):
            kept = self._filtered(drafts, summary)
        with timed(summary.seconds, "fingerprint"):
            folded = fold([draft.whole for draft in kept])
        if self._evaluation is not None:
            kept, folded = self._evaluation(kept, folded, summary)
        summary.documents, summary.characters = len(kept), sum(len(draft.whole) for draft in kept)
        summary.lengths_kept = length_counts(draft.whole for draft in kept)
        self._write(files, kept, folded, summary.seconds)
        summary.peak_bytes = peak_memory()
        write_summary(files.summary, summary.as_dict())
        return summary

    def _filtered(self, drafts: Sequence[Draft], summary: BlockSummary) -> list[Draft]:
        """The drafts that stay, their texts as the filters leave them."""
        outcome = self._filters([draft.text for draft in drafts])
        summary.edits += outcome.edits
        kept, dropped = [], []
        for draft, text, reason in zip(drafts, outcome.texts, outcome.reasons, strict=True):
            if reason is None:
                draft.text = text
                draft.second = self._masked(draft.second, summary.edits)
                draft.title = self._masked(draft.title, summary.edits)
                kept.append(draft)
                continue
            summary.dropped[reason] += 1
            # The report goes further than the raw text does: no number in it either.
            summary.note_sample(reason, draft.where, self._masked(draft.whole, Counter()) or "")
            dropped.append(draft.whole)
        summary.lengths_dropped = length_counts(dropped)
        return kept

    def _masked(self, text: str | None, edits: Counter[str]) -> str | None:
        """What the filters have not seen, with the numbers masked that they would mask."""
        masked = mask_private(text, self._recipe.filters.mask) if text else None
        if masked is None:
            return text
        edits.update({f"masked {kind}": count for kind, count in masked.counts.items()})
        return masked.aligned.text

    def _write(
        self, files: UnitFiles, drafts: Sequence[Draft], folded: Folded, seconds: Counter[str]
    ) -> None:
        docs = np.array([draft.doc for draft in drafts], dtype=np.int64)
        options = self._recipe.deduplicate
        with timed(seconds, "fingerprint"):
            signatures, lines = signature_batch(docs, folded, options), line_batch(docs, folded, options)
            pairs = docs[[draft.second is not None for draft in drafts]]
            lines = lines.filter(pa.array(~np.isin(lines["doc"].to_numpy(), pairs)))
        with timed(seconds, "keep"):
            columns = [
                docs,
                signatures["fingerprint"],
                [draft.line for draft in drafts],
                [draft.whole for draft in drafts],
                [draft.source for draft in drafts],
                [draft.title for draft in drafts],
                [None if draft.second is None else len(draft.text) + 1 for draft in drafts],
            ]
            arrays = [pa.array(column, type=kind) for column, kind in zip(columns, TEXTS.types, strict=True)]
            write_parquet(pa.RecordBatch.from_arrays(arrays, schema=TEXTS), files.texts, compression="lz4")
            write_parquet(signatures, files.signatures, compression="none")
            write_parquet(lines, files.lines, compression="none")


def write_parquet(batch: pa.RecordBatch, path: Path, *, compression: str) -> None:
    """Write one batch as a file that appears when it is whole.

    Raises:
        StorageError: the disk refuses.
    """
    aside = path.with_name(f".{path.name}.partial")
    table = pa.Table.from_batches([batch])
    try:
        pq.write_table(table, aside, compression=compression, use_dictionary=False)
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise storage_error(error, path) from error
