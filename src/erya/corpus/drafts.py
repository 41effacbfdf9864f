"""Raw records read and cleaned: drafts of documents, and what reading them came to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from erya.corpus.places import doc_number
from erya.corpus.read.blocks import Block
from erya.corpus.read.bundles import WorkUnit
from erya.corpus.read.records import RawRecord, ReadTally, read_records
from erya.corpus.read.tally import NO_FIELD, NOT_JSON, ONE_OF_PAIR
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import BlockSummary
from erya.text.clean import CleanOptions, clean_text

TOO_LONG = "a record too large to hold"


@dataclass(slots=True)
class Draft:
    """A document on its way: of a pair both texts, apart.

    Attributes:
        doc: its number.
        path, line: where it stands.
    """

    doc: int
    path: str
    line: int
    text: str
    second: str | None
    title: str | None
    source: str

    @property
    def whole(self) -> str:
        """The text, of a pair both with a line break between them."""
        return self.text if self.second is None else f"{self.text}\n{self.second}"

    @property
    def where(self) -> str:
        """The place for a person."""
        return f"{self.path}, line {self.line}"


def read_drafts(unit: WorkUnit, recipe: CorpusRecipe, summary: BlockSummary) -> list[Draft]:
    """Every record of a unit, cleaned.

    Args:
        unit: what was read.
        recipe: what is wanted.
        summary: counts records, those left out and what was mended.
    """
    drafts: list[Draft] = []
    for part in unit.parts:
        tally = ReadTally()
        first = doc_number(part.file.number, part.number)
        records = read_records(part, recipe.read, tally)
        path, options = part.file.path, recipe.clean
        drafts += [_draft(first + number, path, record, options) for number, record in enumerate(records)]
        _take_over(tally, part, summary)
    return drafts


def _draft(doc: int, path: str, record: RawRecord, options: CleanOptions) -> Draft:
    return Draft(
        doc,
        path,
        record.line,
        clean_text(record.text, options),
        None if record.second is None else clean_text(record.second, options),
        clean_text(record.title, options) if record.title else None,
        _clean_name(record.source),
    )


def _take_over(tally: ReadTally, part: Block, summary: BlockSummary) -> None:
    """What reading counted, and the documents that were too large to be read at all."""
    path = part.file.path
    summary.count_records(part.file.number, tally.records + len(part.oversized))
    summary.dropped += tally.dropped
    summary.noted += tally.noted
    for item in tally.problems:
        summary.note_problem(f"{path}, line {item.line}", item.reason)
    for line, size in part.oversized:
        summary.dropped[TOO_LONG] += 1
        summary.note_problem(f"{path}, line {line}", f"{TOO_LONG} ({size:,} bytes)")
    reason = _why_without_text(tally, part)
    if reason is not None and not summary.without_text:
        summary.without_text = {"path": path, "reason": reason, "fields": list(tally.fields)}


def _why_without_text(tally: ReadTally, part: Block) -> str | None:
    """What not one record of the beginning of a file has; None if it is not so."""
    readable = tally.records + len(part.oversized) - tally.dropped[NOT_JSON]
    if part.number != 0 or readable <= 0:
        return None
    return next((reason for reason in (NO_FIELD, ONE_OF_PAIR) if tally.dropped[reason] == readable), None)


# Sources are few and come with every record.
_clean_name = lru_cache(maxsize=1024)(clean_text)
