"""Training texts and held-out texts, from documents or from raw files: what a vocabulary is made of."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from erya.corpus.read.blocks import Block, read_blocks
from erya.corpus.read.files import find_files
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.records import RawRecord, ReadTally, read_records
from erya.corpus.read.tally import NO_FIELD, NOT_JSON
from erya.corpus.sample import Sample
from erya.data.documents import MANIFEST, read_row_group, row_groups
from erya.data.splits import Split
from erya.errors import InputError, nearest_hint
from erya.text.clean import clean_text

# Called with how much is done, how much there is, and the bytes of text so far.
OnProgress = Callable[[int, int, int], None]

# Of raw files this share is held out, until so many characters are.
HELD_OUT_SHARE = 0.02
_HELD_OUT_CHARACTERS = 5_000_000
_MAX_PROBLEMS = 20
_TOO_LARGE = "a record too large to hold"
_BYTES_A_CHARACTER = 3


class TextSource(Protocol):
    """Texts to train on and others to measure with. Read `train` to its end before `heldout`."""

    @property
    def problems(self) -> Sequence[str]:
        """The first lines that could not be read, as `file, line N: reason`; of raw files also counts."""

    def train(self, *, sample: int | None = None) -> Iterator[str]:
        """The training texts in order, or about `sample` characters of them, spread over all."""

    def heldout(self, *, sample: int | None = None) -> Iterator[str]:
        """Texts that are not among them, or about `sample` characters of those."""


def open_texts(paths: Sequence[str | Path], *, field: str, on_progress: OnProgress) -> TextSource:
    """Look at the given paths.

    Args:
        paths: documents directories; or raw files and directories of them.
        field: the field of the text in JSON lines and tables.
        on_progress: told how far reading has come.
    Raises:
        InputError: a path cannot be used, or there are paths of both kinds.
    """
    documents = [Path(path) for path in paths if (Path(path) / MANIFEST).is_file()]
    if not documents:
        return RawTexts(paths, field=field, on_progress=on_progress)
    if len(documents) != len(paths):
        other = next(path for path in paths if Path(path) not in documents)
        raise InputError(
            "documents and raw text cannot be mixed",
            where=str(other),
            hint="clean it first: erya corpus clean",
        )
    return DocumentTexts(documents, on_progress=on_progress)


class DocumentTexts:
    """The two splits of documents directories."""

    problems: Sequence[str] = ()

    def __init__(self, directories: Sequence[Path], *, on_progress: OnProgress) -> None:
        self._groups = [group for directory in directories for group in row_groups(directory)]
        self._on_progress = on_progress
        self._done = self._text_bytes = 0

    def train(self, *, sample: int | None = None) -> Iterator[str]:
        """The training split."""
        return self._texts("train", Sample(sample))

    def heldout(self, *, sample: int | None = None) -> Iterator[str]:
        """The held-out split."""
        return self._texts("heldout", Sample(sample))

    def _texts(self, split: Split, sample: Sample) -> Iterator[str]:
        total = sum(group.characters for group in self._groups)
        groups = [group for group in self._groups if group.split == split]
        of_split = sum(group.characters for group in groups)
        passed = 0
        for group in groups:
            passed += group.characters
            if sample.is_worth(passed / of_split, group.characters):
                texts = (document.text for document in read_row_group(group))
                for text in _taken(texts, sample, passed / of_split):
                    self._text_bytes += len(text.encode())
                    yield text
            self._done += group.characters
            self._on_progress(self._done, total, self._text_bytes)


class RawTexts:
    """Raw files, cleaned as `erya corpus clean` cleans them, but with repeats left in."""

    def __init__(self, paths: Sequence[str | Path], *, field: str, on_progress: OnProgress) -> None:
        self._examples: list[str] = []
        self._counts: Counter[str] = Counter()
        self._options = ReadOptions(field=field)
        self._files = find_files(paths, self._options)
        self._on_progress = on_progress
        self._kept: list[str] = []
        self._kept_characters = 0

    @property
    def problems(self) -> Sequence[str]:
        """The first lines that could not be read, and how many there were of each kind."""
        return [*self._examples, *(f"{reason}: {count:,} in all" for reason, count in self._counts.items())]

    def train(self, *, sample: int | None = None) -> Iterator[str]:
        """All texts, or those of the sample, but the few that are held out."""
        # A URL may not tell its size: then it counts as much as the others, and as read from its first block.
        known = [file.size for file in self._files if file.size]
        usual = sum(known) // len(known) if known else 1
        total = sum(file.size or usual for file in self._files)
        chosen = Sample(sample)
        before = text_bytes = 0
        for file in self._files:
            for block in read_blocks(file):
                done = before + (block.position if file.size else usual)
                if chosen.is_worth(done / total, block.text_bytes // _BYTES_A_CHARACTER):
                    yield from _taken(self._training(block), chosen, done / total)
                text_bytes += block.text_bytes
                self._on_progress(done, total, text_bytes)
            before += file.size or usual

    def heldout(self, *, sample: int | None = None) -> Iterator[str]:
        """The texts that `train` left out."""
        return _taken(self._kept, Sample(sample), 1.0)

    def _training(self, block: Block) -> Iterator[str]:
        """The training texts of a block; those held out are kept."""
        for record in self._records(block):
            text = clean_text(record.text)
            if not text:
                continue
            if self._kept_characters >= _HELD_OUT_CHARACTERS or not _is_held_out(text):
                yield text
            else:
                self._kept.append(text)
                self._kept_characters += len(text)

    def _records(self, block: Block) -> list[RawRecord]:
        """The records of a block; the first problems are kept, a field that no record has is an error."""
        tally = ReadTally()
        records = list(read_records(block, self._options, tally))
        for line, _ in block.oversized:
            tally.drop(line, _TOO_LARGE)
        readable = tally.records - tally.dropped[NOT_JSON]
        if block.number == 0 and 0 < readable == tally.dropped[NO_FIELD]:
            raise InputError(
                f"no record has text in the field {self._options.field!r}",
                where=block.file.path,
                hint="choose another --field; " + nearest_hint(self._options.field, tally.fields),
            )
        found = [f"{block.file.path}, line {problem.line}: {problem.reason}" for problem in tally.problems]
        self._examples += found[: _MAX_PROBLEMS - len(self._examples)]
        self._counts += tally.dropped + tally.noted
        return records


def _is_held_out(text: str) -> bool:
    """Drawn by the text alone: the same texts are in every run, and one that comes twice is not in both."""
    return zlib.crc32(text.encode()) < HELD_OUT_SHARE * 2**32


def _taken(texts: Iterable[str], sample: Sample, share_read: float) -> Iterator[str]:
    """The first of `texts` until the sample has what it wants of so much of the corpus."""
    for text in texts:
        if sample.missing(share_read) <= 0:
            return
        sample.take(len(text))
        yield text
