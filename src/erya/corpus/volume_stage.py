"""The last stage: drop duplicates and repeated lines, mark words and sentences, write documents.

D documents, C characters.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from erya.corpus.deduplicate.lines import without_lines
from erya.corpus.draws import is_drawn
from erya.corpus.job import damaged, write_summary
from erya.corpus.places import FILE_SHIFT, UnitFiles
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import VolumeSummary, histogram, peak_memory, timed
from erya.corpus.unit_table import Volume
from erya.data.documents import SCHEMA, DocumentsWriter, pack_bits
from erya.files import storage_error
from erya.text.script import convert_text
from erya.text.script_of import hanzi_scripts, script_of_counts
from erya.text.segmenters import WordSegmenter, open_segmenter
from erya.text.sentences import sentence_ends

EXACT, NEAR, ONLY_LINES = "exact duplicate", "near-duplicate", "only repeated lines"
_CONVERSION_DRAW = 1 << 32


@dataclass(frozen=True, slots=True)
class _Row:
    """A document about to be written. `file` is the number of its raw file."""

    file: int
    text: str
    source: str
    title: str | None
    pair_start: int | None
    cluster: int


class VolumeStage:
    """Volumes to parts of documents. A pure function; an instance travels to worker processes.

    Args:
        recipe: the options of the job.
        blocks: where the folders of the bundles are.
        duplicates, lines: what the search for duplicates found, for all documents.
        result: where parts go.
        summaries: where summaries go.
    """

    def __init__(
        self,
        recipe: CorpusRecipe,
        *,
        blocks: Path,
        duplicates: Path,
        lines: Path,
        result: Path,
        summaries: Path,
    ) -> None:
        self._recipe, self._blocks = recipe, blocks
        self._duplicates, self._lines = duplicates, lines
        self._result, self._summaries = result, summaries

    def __call__(self, volume: Volume) -> VolumeSummary:
        """Write the documents of `volume`.

        Raises:
            StorageError: the disk refuses, or a file of the job is damaged.
        """
        summary = VolumeSummary(volume.number)
        writer = DocumentsWriter(self._result, number=volume.number)
        try:
            for units in volume.ranges:
                for number in range(units.first, units.last + 1):
                    self._unit(UnitFiles(self._blocks / units.folder, number), writer, summary)
            summary.parts = [part.model_dump(mode="json") for part in writer.finish()]
        except OSError as error:
            raise storage_error(error, self._result) from error
        finally:
            with suppress(OSError):  # a disk that refused refuses the end of the file, too
                writer.close()
        summary.peak_bytes = peak_memory()
        write_summary(self.summary_path(self._summaries, volume.number), summary.as_dict())
        return summary

    @staticmethod
    def summary_path(summaries: Path, number: int) -> Path:
        """Where the summary of a volume is."""
        return summaries / f"{number:07d}.json"

    def _unit(self, unit: UnitFiles, writer: DocumentsWriter, summary: VolumeSummary) -> None:
        table = _read(unit.texts)
        if not table.num_rows:
            return
        summary.characters_read += pc.sum(pc.utf8_length(table["text"])).as_py()
        with timed(summary.seconds, "drop duplicates"):
            rows = self._kept(table, summary)
        with timed(summary.seconds, "convert"):
            rows = [self._converted(row, summary) for row in rows]
        if not rows:
            return
        batch = self._marked(rows, summary)
        _count(batch, rows, summary)
        with timed(summary.seconds, "write"):
            writer.write(batch)

    def _kept(self, table: pa.Table, summary: VolumeSummary) -> list[_Row]:
        docs = table["doc"].to_numpy()
        known = _rows_between(self._duplicates, int(docs[0]), int(docs[-1]))
        duplicates = {row["doc"]: row for row in known.to_pylist()}
        repeated: dict[int, list[int]] = defaultdict(list)
        found = _rows_between(self._lines, int(docs[0]), int(docs[-1]))
        for doc, line in zip(found["doc"].to_pylist(), found["line"].to_pylist(), strict=True):
            repeated[doc].append(line)
        rows = []
        for values in table.to_pylist():
            row = self._row(values, duplicates.get(values["doc"]), repeated.get(values["doc"]), summary)
            if row is not None:
                rows.append(row)
        return rows

    def _row(
        self,
        values: dict[str, Any],
        duplicate: dict[str, Any] | None,
        lines: list[int] | None,
        summary: VolumeSummary,
    ) -> _Row | None:
        text, cluster = values["text"], values["fingerprint"]
        if duplicate is not None:
            cluster = duplicate["cluster"]
            reason = self._reason(duplicate)
            if reason is not None:
                _drop(summary, reason, text)
                return None
        if lines is not None:
            summary.edits["repeated line"] += len(lines)
            text = without_lines(text, lines)
            if len(text) < (self._recipe.filters.min_characters or 1):
                _drop(summary, ONLY_LINES, values["text"])
                return None
        return _Row(
            values["doc"] >> FILE_SHIFT,
            text,
            values["source"],
            values["title"],
            values["pair_start"],
            cluster,
        )

    def _reason(self, duplicate: dict[str, Any]) -> str | None:
        """Why a document of a cluster is dropped; None if it stays."""
        if duplicate["kind"] == "exact":
            return EXACT
        return NEAR if duplicate["kind"] == "near" and self._recipe.deduplicate.near == "drop" else None

    def _converted(self, row: _Row, summary: VolumeSummary) -> _Row:
        for number, conversion in enumerate(self._recipe.convert):
            cluster = np.array([row.cluster], dtype=np.uint64) + np.uint64((number + 1) * _CONVERSION_DRAW)
            if conversion.share < 1 and not is_drawn(cluster, conversion.share)[0]:
                continue
            summary.edits[f"converted by {conversion.name}"] += 1
            first, second = (row.text, None) if row.pair_start is None else _halves(row.text, row.pair_start)
            text = convert_text(first, conversion.name)
            row = replace(
                row,
                text=text if second is None else f"{text}\n{second}",
                pair_start=None if second is None else len(text) + 1,
                title=convert_text(row.title, conversion.name) if row.title else None,
            )
        return row

    @cached_property
    def _segmenter(self) -> WordSegmenter:
        return open_segmenter(self._recipe.segmenter)

    def _marked(self, rows: Sequence[_Row], summary: VolumeSummary) -> pa.RecordBatch:
        """Mark words and sentences of all rows at once: much faster than one by one, and the same."""
        joined = "\n".join(row.text for row in rows)
        with timed(summary.seconds, "segment"):
            word_starts = self._segmenter.starts(joined)
        with timed(summary.seconds, "mark"):
            ends = sentence_ends(joined, self._recipe.sentences)
            lengths = np.array([len(row.text) for row in rows], dtype=np.int64)
            stops = np.cumsum(lengths + 1) - 1
            starts = stops - lengths
            clusters = np.array([row.cluster for row in rows], dtype=np.uint64)
            columns = [
                [row.text for row in rows],
                [row.source for row in rows],
                [row.title for row in rows],
                [row.pair_start for row in rows],
                [pack_bits(word_starts[a:b]) for a, b in zip(starts, stops, strict=True)],
                [pack_bits(ends[a:b]) for a, b in zip(starts, stops, strict=True)],
                _scripts(joined, starts),
                clusters,
                np.where(is_drawn(clusters, self._recipe.heldout), "heldout", "train").tolist(),
            ]
            arrays = [pa.array(column, type=kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
            return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _rows_between(path: Path, first: int, last: int) -> pa.Table:
    """The rows of a file sorted by `doc` that belong to the documents `first` to `last`."""
    return _read(path, filters=[("doc", ">=", first), ("doc", "<=", last)])


def _read(path: Path, *, filters: list[tuple[str, str, int]] | None = None) -> pa.Table:
    try:
        return pq.read_table(path, filters=filters)
    except (pa.ArrowException, FileNotFoundError):
        raise damaged(path) from None


def _halves(text: str, pair_start: int) -> tuple[str, str]:
    return text[: pair_start - 1], text[pair_start:]


def _drop(summary: VolumeSummary, reason: str, text: str) -> None:
    summary.dropped[reason] += 1
    summary.dropped_characters[reason] += len(text)


def _scripts(joined: str, starts: NDArray[np.int64]) -> list[str]:
    """The script of each document of `joined`, which begin at `starts`."""
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = hanzi_scripts()[codes]
    counts = np.stack([np.add.reduceat(kinds == kind, starts, dtype=np.int64) for kind in (1, 2, 3)], axis=1)
    return [script_of_counts(*row) for row in counts.tolist()]


def _count(batch: pa.RecordBatch, rows: Sequence[_Row], summary: VolumeSummary) -> None:
    lengths = np.array([len(row.text) for row in rows], dtype=np.int64)
    summary.documents += len(rows)
    summary.heldout += pc.sum(pc.equal(batch["split"], "heldout")).as_py()
    summary.characters += int(lengths.sum())
    summary.documents_by_file.update(str(row.file) for row in rows)
    counted = np.array(histogram(lengths))
    summary.lengths = (counted + np.array(summary.lengths or 0)).tolist()
    for row, script, length in zip(rows, batch["script"].to_pylist(), lengths.tolist(), strict=True):
        summary.documents_by_source[row.source] += 1
        summary.characters_by_source[row.source] += length
        summary.documents_by_script[script] += 1
        summary.characters_by_script[script] += length
