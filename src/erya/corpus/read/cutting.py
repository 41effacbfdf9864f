"""Bytes cut where documents end, in constant memory, whatever the documents are like."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from erya.corpus.read.ends import Ends

# Of a document that is being left out, so much is kept to find its end in: more than any mark of one.
_OVERLAP = 64


@dataclass(frozen=True, slots=True)
class Part:
    """Some whole documents.

    Attributes:
        data: their bytes.
        first_line: number of the first line, from 1.
        oversized: (line, bytes) of the documents that were left out between the part before and this one's
            end.
    """

    data: bytes
    first_line: int
    oversized: tuple[tuple[int, int], ...]


def cut(chunks: Iterable[bytes], ends: Ends, *, max_bytes: int) -> Iterator[Part]:
    """Cut bytes where documents end. A part is a chunk, but for what reaches over its ends.

    Args:
        chunks: the bytes.
        ends: finds the ends of documents.
        max_bytes: larger documents are left out; no more than that and a chunk is held at a time.
    """
    cutter = _Cutter(ends, max_bytes)
    for chunk in chunks:
        yield from cutter.feed(chunk)
    yield from cutter.finish()


class _Cutter:
    # _rest was fed and not given out; _line is the number of its first line.
    def __init__(self, ends: Ends, max_bytes: int) -> None:
        self._ends, self._max_bytes = ends, max_bytes
        self._rest, self._line = b"", 1
        self._oversized: list[tuple[int, int]] = []
        # Of the document that is being left out: its first line and how much of it is gone.
        self._leaving: tuple[int, int] | None = None

    def feed(self, chunk: bytes) -> Iterator[Part]:
        self._rest += chunk
        while self._leaving or len(self._rest) > self._max_bytes:
            end = self._ends.first(self._rest)
            if self._leaving or end == 0 or end > self._max_bytes:
                self._leave_out(end)
                if not end:
                    return
            elif self._ends.last(self._rest):
                break
            else:
                # The end is one for want of a better: a quotation mark that nothing closes.
                yield self._part(end)
        end = self._ends.last(self._rest)
        if end:
            yield self._part(end)

    def finish(self) -> Iterator[Part]:
        if self._leaving or len(self._rest) > self._max_bytes:
            self._leave_out(len(self._rest))
        if self._rest or self._oversized:
            yield self._part(len(self._rest))

    def _leave_out(self, end: int) -> None:
        """Drop what ends at `end`, or all but the overlap if it does not end."""
        line, gone = self._leaving or (self._line, 0)
        dropped = self._take(end or max(0, len(self._rest) - _OVERLAP))
        if end:
            self._oversized.append((line, gone + len(dropped)))
            self._leaving = None
        else:
            self._leaving = line, gone + len(dropped)

    def _part(self, end: int) -> Part:
        line = self._line
        part = Part(self._take(end), line, tuple(self._oversized))
        self._oversized.clear()
        return part

    def _take(self, end: int) -> bytes:
        taken, self._rest = self._rest[:end], self._rest[end:]
        self._line += taken.count(b"\n")
        return taken
