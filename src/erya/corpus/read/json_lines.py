"""JSON lines: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from erya.corpus.read.options import ReadOptions
from erya.corpus.read.record import RawRecord, RecordMaker
from erya.corpus.read.tally import NOT_JSON, ReadTally

_decode = json.JSONDecoder().decode


def json_records(
    text: str, first_line: int, options: ReadOptions, *, maker: RecordMaker, tally: ReadTally
) -> Iterator[RawRecord]:
    """The lines of a block as records; blank ones are none.

    Args:
        text: whole lines.
        first_line: the number of the first.
        options: which fields are wanted.
        maker: makes records.
        tally: counts lines that are none.
    """
    field, title, source = options.field, options.title_field, options.source_field
    pair = options.pair_field
    for number, line in enumerate(text.split("\n"), first_line):
        if not line or line.isspace():
            continue
        value = _object(line)
        if value is None:
            tally.records += 1
            tally.drop(number, NOT_JSON)
            continue
        get = value.get
        record = maker.make(
            number,
            get(field),
            second=get(pair) if pair is not None else None,
            title=get(title),
            source=get(source),
        )
        if record is not None:
            yield record
        elif not tally.fields:
            tally.fields = tuple(value)


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = _decode(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
