"""The examples of a data file in chunks, each with its source and whether the training file has it too."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.data.records import read_records
from erya.errors import InputError
from erya.evaluate.ledger import Seen
from erya.tasks.kind import AnyPredictedKind
from erya.tasks.preflight.sameness import keys_of
from erya.tasks.preflight.views import View, views_of

_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some examples of a file.

    Attributes:
        examples: the examples.
        sources: where each comes from; None where no column says so.
        seen: whether the training file has the texts of each.
    """

    examples: list[Any]
    sources: list[str | None]
    seen: list[Seen]


@dataclass(frozen=True, slots=True)
class DataFile:
    """A labelled file and how to read it.

    Attributes:
        path: the file.
        kind: of the task.
        columns: for each field of the task the column it stands in.
        source: the column that says where an example comes from, or None.
        train: fingerprints of the training file's texts, or None.
    """

    path: Path
    kind: AnyPredictedKind
    columns: Mapping[str, str]
    source: str | None = None
    train: TrainTexts | None = None

    def chunks(self) -> Iterator[Chunk]:
        """The examples, in order.

        Raises:
            InputError: the file or a row cannot be used; says where.
        """
        sources = self._sources()
        for chunk in chunked(self.kind.examples(self.path, columns=self.columns, labelled=True)):
            found = [sources.at(example.line) if sources is not None else None for example in chunk]
            seen: list[Seen] = ["no"] * len(chunk) if self.train is None else self.train.seen(chunk)
            yield Chunk(chunk, found, seen)

    def _sources(self) -> _Sources | None:
        return _Sources(self.path, self.source) if self.source is not None else None


class _Sources:
    """The source column of a file, read beside the examples: one source a line."""

    def __init__(self, path: Path, column: str) -> None:
        self._path, self._rows = path, read_records(path, columns={"source": column})
        self._line, self._source = 0, ""

    def at(self, line: int) -> str:
        while self._line < line:
            record = next(self._rows, None)
            if record is None:
                raise InputError("examples of this file have no line of their own", where=str(self._path))
            self._line, self._source = record.line, record.values["source"]
        return self._source


class TrainTexts:
    """Fingerprints of a training file's texts, a few bytes each.

    Args:
        path: the file.
        kind: of the task.
        columns: for each field of the task the column it stands in.
    Raises:
        InputError: the file or a row cannot be used; says where.
    """

    def __init__(self, path: Path, kind: AnyPredictedKind, *, columns: Mapping[str, str]) -> None:
        self.path, self._kind = path, kind
        self._alike: set[int] = set()
        self._verbatim: set[bytes] = set()
        for chunk in chunked(kind.examples(path, columns=columns, labelled=True)):
            views = views_of(kind.name, chunk)
            self._alike.update(keys_of(views, marks=False).tolist())
            self._verbatim.update(map(_print, views))

    def seen(self, examples: Sequence[Any]) -> list[Seen]:
        """For each example whether the file has its texts, whatever their truth."""
        views = views_of(self._kind.name, examples)
        keys = keys_of(views, marks=False).tolist()
        return [
            "verbatim" if _print(view) in self._verbatim else "alike" if key in self._alike else "no"
            for view, key in zip(views, keys, strict=True)
        ]


def chunked(examples: Iterable[Any]) -> Iterator[list[Any]]:
    """Examples in lists of two thousand."""
    iterator = iter(examples)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk


def _print(view: View) -> bytes:
    texts = "\0".join(view.texts).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(texts, digest_size=8).digest()
