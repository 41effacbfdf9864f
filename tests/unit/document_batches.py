"""Documents as the batches that the writer of documents takes."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from erya.data.documents import SCHEMA, Document, pack_bits


def to_batch(documents: Iterable[Document]) -> pa.RecordBatch:
    """Documents as one batch of `SCHEMA`."""
    rows = [
        {
            "text": document.text,
            "source": document.source,
            "title": document.title,
            "pair_start": document.pair_start,
            "word_starts": pack_bits(document.word_starts),
            "sentence_ends": pack_bits(document.sentence_ends),
            "script": document.script,
            "cluster": document.cluster,
            "split": document.split,
        }
        for document in documents
    ]
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)
