"""Plain text: a document a line, a paragraph or a file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from erya.corpus.read.options import Unit
from erya.corpus.read.record import RawRecord, RecordMaker

_LEADING_BLANK_LINES = re.compile(r"(?:[ \t\r\u3000]*\n)+")
_BLANK_LINES = re.compile(r"\n(?:[ \t\r\u3000]*\n)+")


def plain_records(text: str, first_line: int, unit: Unit, *, maker: RecordMaker) -> Iterator[RawRecord]:
    """The documents of a block as records; blank ones are none.

    Args:
        text: whole documents.
        first_line: the number of the first line.
        unit: what one document is.
        maker: makes records.
    """
    for line, document in _documents(text, first_line, unit):
        if document and not document.isspace():
            blank = len(document) - len(document.lstrip()) if unit == "file" else 0
            record = maker.make(line + document.count("\n", 0, blank), document)
            if record is not None:
                yield record


def _documents(text: str, first_line: int, unit: Unit) -> Iterator[tuple[int, str]]:
    if unit == "file":
        yield first_line, text
    elif unit == "line":
        yield from enumerate(text.split("\n"), first_line)
    else:
        # A block may begin with some of the blank lines that end the one before.
        blank = _LEADING_BLANK_LINES.match(text)
        done = blank.end() if blank else 0
        line = first_line + text.count("\n", 0, done)
        for separator in _BLANK_LINES.finditer(text):
            yield line, text[done : separator.start()]
            line += text.count("\n", done, separator.end())
            done = separator.end()
        yield line, text[done:]
