"""One raw record, and what makes one of the fields that were found."""

from __future__ import annotations

from dataclasses import dataclass

from erya.corpus.read.tally import NO_FIELD, ONE_OF_PAIR, ReadTally


@dataclass(slots=True)
class RawRecord:
    """One record as it was found.

    Attributes:
        line: where it begins, from 1; of Parquet the row.
        text: the text, of a pair the first.
        second: the second text of a pair.
        title: its title.
        source: what it says it comes from; otherwise what its file is called.
    """

    line: int
    text: str
    second: str | None
    title: str | None
    source: str


class RecordMaker:
    """Makes records of fields, and counts those that lack a text.

    Args:
        source: of records that name none.
        is_pair: whether a record has two texts.
        tally: counts.
    """

    def __init__(self, source: str, *, is_pair: bool, tally: ReadTally) -> None:
        self._source, self._is_pair, self._tally = source, is_pair, tally

    def make(
        self, line: int, text: object, *, second: object = None, title: object = None, source: object = None
    ) -> RawRecord | None:
        """A record; None if a text is missing, which is counted.

        Args:
            line: where it begins.
            text, second, title, source: what stands in the fields; anything but text is nothing, but that a
                source may be a number.
        """
        self._tally.records += 1
        if self._is_pair:
            present = _is_said(text) + _is_said(second)
            if present < 2:
                self._tally.drop(line, ONE_OF_PAIR if present else NO_FIELD)
                return None
        if not isinstance(text, str):
            self._tally.drop(line, NO_FIELD)
            return None
        return RawRecord(
            line,
            text,
            second if isinstance(second, str) else None,
            title if isinstance(title, str) and title else None,
            str(source) if isinstance(source, str | int) and source != "" else self._source,
        )


def _is_said(text: object) -> bool:
    return isinstance(text, str) and bool(text) and not text.isspace()
