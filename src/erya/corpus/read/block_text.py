"""The bytes of a block as text; what has to be mended is counted with its place."""

from __future__ import annotations

from erya.corpus.read.tally import BAD_BYTES, NUL_BYTES, ReadTally, read_as
from erya.text.encodings import Encoding, strictly
from erya.text.mend import holds_utf8_line, mend_line


def text_of(data: bytes, encoding: Encoding, first_line: int, tally: ReadTally) -> str:
    """Read whole lines.

    NUL bytes go. A line in another encoding is read in its own; U+FFFD stands for what nothing can read.

    Args:
        data: whole lines.
        encoding: of the file; not UTF-16.
        first_line: the number of the first line.
        tally: counts what was mended.
    """
    if b"\0" in data:
        data = _without_nuls(data, first_line, tally)
    text = strictly(data, encoding)
    if text is not None and not holds_utf8_line(data, encoding):
        return text
    return "\n".join(
        _line(line, encoding, number, tally) for number, line in enumerate(data.split(b"\n"), first_line)
    )


def _line(data: bytes, encoding: Encoding, number: int, tally: ReadTally) -> str:
    mended = mend_line(data, encoding)
    if mended.encoding != encoding:
        tally.note(number, read_as(mended.encoding))
    if mended.bad_bytes:
        place = f"{mended.bad_bytes:,} from byte {mended.first_bad:,} of the line"
        tally.note(number, BAD_BYTES, count=mended.bad_bytes, place=place)
    return mended.text


def _without_nuls(data: bytes, first_line: int, tally: ReadTally) -> bytes:
    for number, line in enumerate(data.split(b"\n"), first_line):
        count = line.count(b"\0")
        if count:
            place = f"{count:,} from byte {line.index(0) + 1:,} of the line"
            tally.note(number, NUL_BYTES, count=count, place=place)
    return data.replace(b"\0", b"")
