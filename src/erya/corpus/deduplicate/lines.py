"""Lines that many documents share: menus, notices, signatures of an agency."""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from erya.corpus.deduplicate.folding import Folded, hash_slices
from erya.corpus.deduplicate.options import DeduplicateOptions

LINES = pa.schema([pa.field("doc", pa.int64()), pa.field("line", pa.int32()), pa.field("hash", pa.uint64())])
_WIDE_GAP = re.compile(r"\n{3,}")


def line_batch(docs: NDArray[np.int64], folded: Folded, options: DeduplicateOptions) -> pa.RecordBatch:
    """Hashes of the lines that are long enough to be compared.

    Args:
        docs: the documents' numbers, int64, shape (D,).
        folded: their texts, D of them; a line ends at a newline.
        options: how long is long enough, and whether lines are compared at all.
    Returns:
        A row a line: `doc`, `line` (from 0) and `hash`, which is the same for lines that differ in white
        space, script, width and case only.
    """
    starts, ends = folded.line_bounds[:-1], folded.line_bounds[1:]
    is_compared = (ends - starts >= options.min_line_characters) & (options.lines != "off")
    compared = np.flatnonzero(is_compared)
    owners = np.searchsorted(folded.first_lines, compared, side="right") - 1
    columns = [
        pa.array(np.asarray(docs, dtype=np.int64)[owners], pa.int64()),
        pa.array(compared - folded.first_lines[owners], pa.int32()),
        pa.array(hash_slices(folded, starts[compared], ends[compared]), pa.uint64()),
    ]
    return pa.record_batch(columns, schema=LINES)


def without_lines(text: str, lines: Collection[int]) -> str:
    """`text` without some of its lines, which are counted from 0 and end at newlines.

    The empty lines around a gap become one, and none at the edges.
    """
    dropped = frozenset(lines)
    if not dropped:
        return text
    kept = [line for number, line in enumerate(text.split("\n")) if number not in dropped]
    return _WIDE_GAP.sub("\n\n", "\n".join(kept)).strip("\n")
