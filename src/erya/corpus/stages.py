"""What happens to raw records: a pure function from a block of a file to documents."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from erya.config import StrictModel
from erya.corpus.deduplicate import fingerprint
from erya.corpus.read import Block
from erya.data.documents import SCHEMA, pack_bits
from erya.text.clean import CleanOptions, clean_text
from erya.text.script import Conversion, convert_text
from erya.text.script_of import script_of
from erya.text.sentences import SentenceOptions, sentence_ends
from erya.text.words import Segmenter, UserWord

# Why a record is left out.
NOT_JSON = "not a JSON object"
NO_FIELD = "no text in the field"
TOO_SHORT = "too short"
# Noted, and the document kept.
DAMAGED = "damaged bytes"

_BLANK_LINES = re.compile(r"\n(?:[ \t\r\u3000]*\n)+")
_EXAMPLES = 5


class StageOptions(StrictModel):
    """How raw records become documents.

    Attributes:
        field: the JSON field that holds the text.
        min_characters: a cleaned text shorter than this is left out.
        heldout: share of documents held out of training, in [0, 1).
        conversion: simplified/traditional conversion of every text, or None.
        clean: options of cleaning.
        sentences: options of sentence splitting.
        user_words: words to add to the segmenter's dictionary.
    """

    field: str = "text"
    min_characters: int = Field(5, ge=1)
    heldout: float = Field(0.01, ge=0, lt=1)
    conversion: Conversion | None = None
    clean: CleanOptions = CleanOptions()
    sentences: SentenceOptions = SentenceOptions()
    user_words: tuple[UserWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that was left out or mended, and why."""

    line: int
    reason: str


@dataclass(slots=True)
class Outcome:
    """What one block came to.

    Attributes:
        path, first_line, position: of the block.
        block_bytes: its size, decompressed.
        documents: a batch of the documents schema, duplicates still in it; set last.
        records: how many records the block held.
        dropped: reason to number of records left out.
        damaged: how many documents hold U+FFFD in place of bytes that could not be read.
        problems: the first few lines left out or mended for each reason but `TOO_SHORT`.
        fields: names of the fields of the first JSON record without text, to say what there is.
    """

    path: str
    first_line: int
    position: int
    block_bytes: int
    documents: pa.RecordBatch = None
    records: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    damaged: int = 0
    problems: list[Problem] = field(default_factory=list)
    fields: tuple[str, ...] = ()

    @property
    def lacks_field(self) -> bool:
        """Whether this is the beginning of a file in which no record has text in the wanted field."""
        readable = self.records - self.dropped[NOT_JSON]
        return self.first_line == 1 and readable > 0 and self.dropped[NO_FIELD] == readable

    def note(self, line: int, reason: str) -> None:
        """Remember a problem if it is among the first of its kind."""
        if sum(problem.reason == reason for problem in self.problems) < _EXAMPLES:
            self.problems.append(Problem(line, reason))


@dataclass(frozen=True, slots=True)
class _Record:
    line: int
    text: str
    source: str
    title: str | None


class CleanStage:
    """Blocks to documents. Calling it is a pure function; an instance travels to worker processes."""

    def __init__(self, options: StageOptions) -> None:
        self._options = options

    def __call__(self, block: Block) -> Outcome:
        """Clean, segment and mark every record of `block`."""
        outcome = Outcome(str(block.file.path), block.first_line, block.position, len(block.data))
        kept = [record for record in self._records(block, outcome) if self._is_kept(record, outcome)]
        outcome.documents = self._batch(kept)
        return outcome

    @cached_property
    def _segmenter(self) -> Segmenter:
        return Segmenter(self._options.user_words)

    def _records(self, block: Block, outcome: Outcome) -> Iterator[_Record]:
        """The records of a block with cleaned texts."""
        for line, raw in _units(block, outcome):
            outcome.records += 1
            if not block.file.is_json:
                yield _Record(line, self._clean(raw), block.file.source, None)
                continue
            try:
                value = json.loads(raw)
            except (ValueError, RecursionError):
                value = None
            if not isinstance(value, dict):
                _drop(outcome, line, NOT_JSON)
            elif not isinstance(value.get(self._options.field), str):
                outcome.fields = outcome.fields or tuple(value)
                _drop(outcome, line, NO_FIELD)
            else:
                yield self._json_record(line, value, block.file.source)

    def _json_record(self, line: int, value: dict[str, Any], source: str) -> _Record:
        title = value.get("title")
        return _Record(
            line,
            self._clean(value[self._options.field]),
            _clean_name(str(value.get("source") or source)),
            clean_text(title) if isinstance(title, str) and title else None,
        )

    def _clean(self, raw: str) -> str:
        text = clean_text(raw, self._options.clean)
        return convert_text(text, self._options.conversion) if self._options.conversion else text

    def _is_kept(self, record: _Record, outcome: Outcome) -> bool:
        if len(record.text) >= self._options.min_characters:
            return True
        outcome.dropped[TOO_SHORT] += 1
        return False

    def _batch(self, records: list[_Record]) -> pa.RecordBatch:
        """Mark words and sentences of all records at once: much faster than one by one, and the same."""
        joined = "\n".join(record.text for record in records)
        word_starts = self._segmenter.starts(joined)
        ends = sentence_ends(joined, self._options.sentences)
        stops = np.cumsum([len(record.text) + 1 for record in records], dtype=np.int64) - 1
        spans = [(stop - len(record.text), stop) for stop, record in zip(stops, records, strict=True)]
        clusters = np.array([fingerprint(record.text) for record in records], dtype=np.uint64)
        heldout = is_heldout(clusters, self._options.heldout)
        columns = [
            [record.text for record in records],
            [record.source for record in records],
            [record.title for record in records],
            [None for _ in records],
            [pack_bits(word_starts[start:stop]) for start, stop in spans],
            [pack_bits(ends[start:stop]) for start, stop in spans],
            [script_of(record.text) for record in records],
            clusters,
            np.where(heldout, "heldout", "train").tolist(),
        ]
        arrays = [pa.array(column, type=kind) for column, kind in zip(columns, SCHEMA.types, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def is_heldout(clusters: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Draw the held-out documents: a function of the cluster alone, so order and company do not matter.

    Args:
        clusters: cluster numbers, uint64, shape (D,).
        share: expected share, in [0, 1).
    Returns:
        bool, shape (D,).
    Source: Steele et al. 2014, Fast Splittable Pseudorandom Number Generators (the final mix).
    """
    mixed = clusters + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    drawn: NDArray[np.bool_] = (mixed >> np.uint64(11)).astype(np.float64) / 2**53 < share
    return drawn


# Sources are few and come with every record.
_clean_name = lru_cache(maxsize=1024)(clean_text)


def _drop(outcome: Outcome, line: int, reason: str) -> None:
    outcome.dropped[reason] += 1
    outcome.note(line, reason)


def _units(block: Block, outcome: Outcome) -> Iterator[tuple[int, str]]:
    """The raw documents of a block with the numbers of their lines; blank ones are none."""
    text = _decode(block, outcome)
    if block.file.unit == "file":
        yield block.first_line, text
        return
    pattern = _BLANK_LINES if block.file.unit == "paragraph" else None
    line, done = block.first_line, 0
    for separator in pattern.finditer(text) if pattern else ():
        if text[done : separator.start()].strip():
            yield line, text[done : separator.start()]
        line += text.count("\n", done, separator.end())
        done = separator.end()
    rest = [text[done:]] if pattern else text.split("\n")
    for number, unit in enumerate(rest, line):
        if unit and not unit.isspace():
            yield number, unit


def _decode(block: Block, outcome: Outcome) -> str:
    """The text of a block; bytes that cannot be read become U+FFFD, and are counted by the line."""
    try:
        return block.data.decode(block.encoding)
    except UnicodeDecodeError:
        pass
    lines = block.data.split(b"\n")
    for number, line in enumerate(lines, block.first_line):
        try:
            line.decode(block.encoding)
        except UnicodeDecodeError:
            outcome.damaged += 1
            outcome.note(number, DAMAGED)
    return "\n".join(line.decode(block.encoding, "replace") for line in lines)
