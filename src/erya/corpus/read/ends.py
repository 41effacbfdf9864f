"""Where documents end: the places at which a file may be cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol


class Ends(Protocol):
    """Finds the ends of documents in bytes that begin where a document does."""

    def last(self, data: bytes) -> int:
        """Where the last whole document of `data` ends; 0 if none does."""

    def first(self, data: bytes) -> int:
        """Where the first document of `data` ends; 0 if it does not.

        In the midst of a document that is being left out, `data` begins anywhere in it.
        """


class LineEnds:
    """A document is a line. No GB 18030 or Big5 character has a line feed for a byte."""

    def last(self, data: bytes) -> int:
        """See `Ends.last`."""
        return data.rfind(b"\n") + 1

    def first(self, data: bytes) -> int:
        """See `Ends.first`."""
        return data.find(b"\n") + 1


class ParagraphEnds:
    """Documents are set apart by blank lines."""

    _BLANK = re.compile(rb"\n(?:[ \t\r]*\n)+")

    def last(self, data: bytes) -> int:
        """See `Ends.last`."""
        quick = data.rfind(b"\n\n") + 2
        if quick > 1:
            return quick
        return max((match.end() for match in self._BLANK.finditer(data)), default=0)

    def first(self, data: bytes) -> int:
        """See `Ends.first`."""
        match = self._BLANK.search(data)
        return match.end() if match else 0


class FileEnds:
    """The whole file is one document."""

    def last(self, data: bytes) -> int:
        """See `Ends.last`."""
        return 0

    def first(self, data: bytes) -> int:
        """See `Ends.first`."""
        return 0


class WikiEnds:
    """A document ends with a line of `</doc>` alone."""

    # A pattern that begins with its mark is found fast.
    _END = re.compile(rb"</doc>(?:(?<=\n</doc>)|(?<=\A</doc>))[ \r]*\n")

    def last(self, data: bytes) -> int:
        """See `Ends.last`."""
        return max((match.end() for match in self._END.finditer(data)), default=0)

    def first(self, data: bytes) -> int:
        """See `Ends.first`."""
        match = self._END.search(data)
        return match.end() if match else 0


class CsvEnds:
    """A row ends at a line feed that does not stand in a quoted field.

    Args:
        max_bytes: a quotation mark that nothing closes within so much is a character like any other.
    Source: RFC 4180, section 2. As in Python's csv, a quotation mark opens a field only at its beginning.
    """

    # The last group is empty if the field is not closed. A pattern that begins with its mark is found fast.
    _QUOTED = re.compile(rb'"(?:(?<=[,\n]")|(?<=\A"))[^"]*(?:""[^"]*)*("?)')

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def last(self, data: bytes) -> int:
        """See `Ends.last`."""
        end = 0
        for start, stop in self._unquoted(data):
            end = data.rfind(b"\n", start, stop) + 1 or end
        return end

    def first(self, data: bytes) -> int:
        """See `Ends.first`; the end of its line, if a quotation mark that nothing closes stands in it."""
        stop = 0
        for start, stop in self._unquoted(data):
            end = data.find(b"\n", start, stop) + 1
            if end:
                return end
        return data.find(b"\n", stop) + 1

    def _unquoted(self, data: bytes) -> Iterator[tuple[int, int]]:
        """The stretches of `data` outside of quoted fields."""
        start = 0
        for match in self._QUOTED.finditer(data):
            yield start, match.start()
            if not match.group(1) or match.end() - match.start() > self._max_bytes:
                return
            start = match.end()
        yield start, len(data)
