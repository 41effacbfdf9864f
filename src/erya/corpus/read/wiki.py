"""What the extractor of Wikipedia writes: articles between `<doc id= url= title=>` and `</doc>`."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from erya.corpus.read.record import RawRecord, RecordMaker
from erya.corpus.read.tally import NO_END, OUTSIDE, ReadTally

# A title may hold quotation marks of its own; it is the last of the attributes.
WIKI_HEAD = re.compile(r'^<doc\b[^>\n]*?\btitle="([^\n]*)">[ \r]*$', re.MULTILINE)
_MARK = re.compile(r"^<(?:doc\b[^\n]*|/doc>[ \r]*)$", re.MULTILINE)


def wiki_records(text: str, first_line: int, *, maker: RecordMaker, tally: ReadTally) -> Iterator[RawRecord]:
    """The articles of a block as records, without the line that repeats the title.

    Args:
        text: whole articles.
        first_line: the number of the first line.
        maker: makes records.
        tally: counts what is outside of an article, and articles without an end.
    """
    head: re.Match[str] | None = None
    line, counted, done = first_line, 0, 0
    for mark in (*_MARK.finditer(text), None):
        start, stop = (mark.start(), mark.end()) if mark is not None else (len(text), len(text))
        record = _between(text[done:start], line, head, maker, tally)
        if record is not None:
            yield record
        is_end = mark is not None and mark.group().startswith("</")
        if head is not None and not is_end:
            tally.note(line, NO_END)
        line += text.count("\n", counted, start)
        head, counted, done = (None if is_end else mark), start, stop


def _between(
    body: str, line: int, head: re.Match[str] | None, maker: RecordMaker, tally: ReadTally
) -> RawRecord | None:
    """The record of what follows `head`; what follows none is no record."""
    if head is None:
        if body.strip():
            tally.records += 1
            tally.drop(line + body[: len(body) - len(body.lstrip())].count("\n"), OUTSIDE)
        return None
    named = WIKI_HEAD.match(head.group())
    title = html.unescape(named.group(1)) if named else None
    first, _, rest = body.lstrip().partition("\n")
    repeats = title is not None and html.unescape(first).strip() == title
    return maker.make(line, rest if repeats else body, title=title)
