"""`erya corpus clean`: raw files to a documents directory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from erya.corpus.deduplicate import SeenFingerprints
from erya.corpus.engines.local import map_in_order
from erya.corpus.read import Block, RawFile, Unit, find_files, read_blocks
from erya.corpus.report import DUPLICATE, CleanReport
from erya.corpus.stages import CleanStage, Outcome, StageOptions
from erya.data.documents import MANIFEST, DocumentsWriter, write_manifest
from erya.errors import InputError, nearest_hint
from erya.files import atomic_directory, atomic_write
from erya.runtime import available_cores

REPORT = "report.json"
# Starting a worker (its imports, the segmenter's dictionary) takes as long as cleaning so many bytes.
_BYTES_WORTH_A_WORKER = 8_000_000


def clean_corpus(
    raw: Sequence[Path],
    out: Path,
    options: StageOptions,
    *,
    unit: Unit = "line",
    workers: int | None = None,
    strict: bool = False,
    replace: bool = False,
    on_progress: Callable[[int, int, int], None] | None = None,
) -> CleanReport:
    """Clean, deduplicate, segment and split raw files.

    The outcome depends on the files and options only, not on the number of workers. Of documents that
    are the same the first is kept.

    Args:
        raw: files or directories of them.
        out: the documents directory to make; it appears when it is whole.
        options: what happens to a record.
        unit: what one document of a text file is.
        workers: processes; None: as many as the machine has cores and the input is worth.
        strict: whether a record that cannot be read is an error instead of a count.
        replace: whether `out` may be replaced if it is a documents directory.
        on_progress: called with bytes of the files read so far and in all, as they lie on the disk, and
            bytes of text read so far.
    Returns:
        The counts, which are also written to `report.json` and `documents.json`.
    Raises:
        InputError: a file cannot be used, no record has the field, or nothing was kept.
        StorageError: `out` is taken or the disk refuses.
        EryaError: a worker process died.
    """
    started = time.perf_counter()
    files = find_files(raw, unit=unit)
    total = sum(file.path.stat().st_size for file in files)
    workers = workers or max(1, min(available_cores(), total // _BYTES_WORTH_A_WORKER))
    report, seen = CleanReport(), SeenFingerprints()
    with atomic_directory(out, replace=replace, marker=MANIFEST) as directory:
        writer = DocumentsWriter(directory)
        try:
            # Closed by hand: an error's traceback would keep the workers waiting.
            with closing(map_in_order(CleanStage(options), _blocks(files), workers=workers)) as outcomes:
                for outcome in outcomes:
                    _refuse(outcome, options, strict=strict)
                    report.add(outcome)
                    _write(outcome.documents, seen, writer, report)
                    if on_progress is not None:
                        on_progress(outcome.position, total, report.raw_bytes)
            _refuse_nothing(report)
            report.seconds = time.perf_counter() - started
            write_manifest(directory, writer.finish(), report=report.as_dict())
        finally:
            writer.close()
        with atomic_write(directory / REPORT) as stream:
            stream.write(json.dumps(report.as_dict(), ensure_ascii=False, indent=1).encode())
    return report


def _blocks(files: Sequence[RawFile]) -> Iterator[Block]:
    before = 0
    for file in files:
        yield from read_blocks(file, before=before)
        before += file.path.stat().st_size


def _write(
    documents: pa.RecordBatch, seen: SeenFingerprints, writer: DocumentsWriter, report: CleanReport
) -> None:
    """Write what was not seen before, and count it."""
    is_first = seen.add(documents["cluster"].to_numpy())
    fresh = documents.filter(pa.array(is_first))
    duplicates = len(is_first) - fresh.num_rows
    report.dropped.update({DUPLICATE: duplicates} if duplicates else {})
    if not fresh.num_rows:
        return
    report.kept += fresh.num_rows
    report.heldout += pc.sum(pc.equal(fresh["split"], "heldout")).as_py()
    report.characters += pc.sum(pc.utf8_length(fresh["text"])).as_py()
    names, counts = np.unique(fresh["source"].to_numpy(zero_copy_only=False), return_counts=True)
    report.sources.update(dict(zip(names.tolist(), counts.tolist(), strict=True)))
    writer.write(fresh)


def _refuse(outcome: Outcome, options: StageOptions, *, strict: bool) -> None:
    """Stop at a field that no record has, and with `strict` at the first record that cannot be read."""
    if outcome.lacks_field:
        raise InputError(
            f"no record has text in the field {options.field!r}",
            where=outcome.path,
            hint="choose another --field; " + nearest_hint(options.field, outcome.fields),
        )
    if strict and outcome.problems:
        first = min(outcome.problems, key=lambda problem: problem.line)
        raise InputError(
            f"{first.reason} (and --strict was asked for)", where=f"{outcome.path}, line {first.line}"
        )


def _refuse_nothing(report: CleanReport) -> None:
    if report.kept:
        return
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in report.dropped.most_common())
    where = report.problems[0] if report.problems else None
    raise InputError(f"no document was kept of {report.records:,} records ({reasons})", where=where)
