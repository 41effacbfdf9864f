"""Training texts and held-out texts, from documents or from raw files: what a vocabulary is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from erya.corpus.read import Block, find_files, read_blocks
from erya.corpus.sample import Sample
from erya.corpus.stages import DAMAGED, CleanStage, Outcome, StageOptions
from erya.data.documents import MANIFEST, read_row_group, row_groups
from erya.data.splits import Split
from erya.errors import InputError, nearest_hint

# Called with how much is done, how much there is, and the bytes of text so far.
OnProgress = Callable[[int, int, int], None]

# Of raw files this share is held out, until so many characters are.
HELD_OUT_SHARE = 0.02
_HELD_OUT_CHARACTERS = 5_000_000
_MAX_PROBLEMS = 20
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


def open_texts(paths: Sequence[Path], *, field: str, on_progress: OnProgress) -> TextSource:
    """Look at the given paths.

    Args:
        paths: documents directories; or raw files and directories of them.
        field: the field of the text in JSON lines.
        on_progress: told how far reading has come.
    Raises:
        InputError: a path cannot be used, or there are paths of both kinds.
    """
    documents = [path for path in paths if (path / MANIFEST).is_file()]
    if not documents:
        return RawTexts(paths, field=field, on_progress=on_progress)
    if len(documents) != len(paths):
        other = next(path for path in paths if path not in documents)
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

    def __init__(self, paths: Sequence[Path], *, field: str, on_progress: OnProgress) -> None:
        self._examples: list[str] = []
        self._counts: Counter[str] = Counter()
        self._files = find_files(paths)
        self._field, self._on_progress = field, on_progress
        options = StageOptions(field=field, heldout=HELD_OUT_SHARE, min_characters=1)
        self._stage = CleanStage(options)
        self._kept: list[str] = []
        self._kept_characters = 0

    @property
    def problems(self) -> Sequence[str]:
        """The first lines that could not be read, and how many there were of each kind."""
        return [*self._examples, *(f"{reason}: {count:,} in all" for reason, count in self._counts.items())]

    def train(self, *, sample: int | None = None) -> Iterator[str]:
        """All texts, or those of the sample, but the few that are held out."""
        total = sum(file.path.stat().st_size for file in self._files)
        chosen = Sample(sample)
        text_bytes = 0
        for block in self._blocks():
            share_read = block.position / total
            if chosen.is_worth(share_read, len(block.data) // _BYTES_A_CHARACTER):
                yield from _taken(self._clean(block), chosen, share_read)
            text_bytes += len(block.data)
            self._on_progress(block.position, total, text_bytes)

    def heldout(self, *, sample: int | None = None) -> Iterator[str]:
        """The texts that `train` left out."""
        return _taken(self._kept, Sample(sample), 1.0)

    def _clean(self, block: Block) -> Iterator[str]:
        """The training texts of a block; those held out are kept."""
        outcome = self._stage(block)
        self._note(outcome)
        columns = (outcome.documents[name].to_pylist() for name in ("text", "split"))
        for text, split in zip(*columns, strict=True):
            if split == "train" or self._kept_characters >= _HELD_OUT_CHARACTERS:
                yield text
            else:
                self._kept.append(text)
                self._kept_characters += len(text)

    def _blocks(self) -> Iterator[Block]:
        before = 0
        for file in self._files:
            yield from read_blocks(file, before=before)
            before += file.path.stat().st_size

    def _note(self, outcome: Outcome) -> None:
        """Keep the first problems; stop at a field that no record has."""
        if outcome.lacks_field:
            raise InputError(
                f"no record has text in the field {self._field!r}",
                where=outcome.path,
                hint="choose another --field; " + nearest_hint(self._field, outcome.fields),
            )
        found = [f"{outcome.path}, line {problem.line}: {problem.reason}" for problem in outcome.problems]
        self._examples += found[: _MAX_PROBLEMS - len(self._examples)]
        self._counts += outcome.dropped + Counter({DAMAGED: outcome.damaged})


def _taken(texts: Iterable[str], sample: Sample, share_read: float) -> Iterator[str]:
    """The first of `texts` until the sample has what it wants of so much of the corpus."""
    for text in texts:
        if sample.missing(share_read) <= 0:
            return
        sample.take(len(text))
        yield text
