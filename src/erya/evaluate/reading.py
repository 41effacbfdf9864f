"""The examples of a data file in chunks, each with its source and whether the training file has it too."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.data.records import read_records
from erya.errors import InputError
from erya.tasks.kind import AnyKind

_CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some examples of a file.

    Attributes:
        examples: the examples.
        sources: where each comes from; None where no column says so.
        seen: whether each stands in the training file.
    """

    examples: list[Any]
    sources: list[str | None]
    seen: list[bool]


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
    kind: AnyKind
    columns: Mapping[str, str]
    source: str | None = None
    train: TrainTexts | None = None

    def chunks(self) -> Iterator[Chunk]:
        """The examples, in order.

        Raises:
            InputError: the file or a row cannot be used; says where.
        """
        examples = iter(self.kind.examples(self.path, columns=self.columns, labelled=True))
        sources = self._sources()
        while chunk := list(itertools.islice(examples, _CHUNK)):
            found = [sources.at(example.line) if sources is not None else None for example in chunk]
            seen = [self.train is not None and example in self.train for example in chunk]
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
    """Fingerprints of a training file's texts, eight bytes each.

    Args:
        path: the file.
        kind: of the task.
        columns: for each field of the task the column it stands in.
    Raises:
        InputError: the file or a row cannot be used; says where.
    """

    def __init__(self, path: Path, kind: AnyKind, *, columns: Mapping[str, str]) -> None:
        self.path, self._names = path, kind.inputs
        self._prints = {
            self._print(example) for example in kind.examples(path, columns=columns, labelled=True)
        }

    def __contains__(self, example: Any) -> bool:
        return self._print(example) in self._prints

    def _print(self, example: Any) -> bytes:
        """Of the texts as they stand, without the truth."""
        texts = "\0".join(str(getattr(example, name)) for name in self._names)
        return hashlib.blake2b(texts.encode("utf-8", "surrogatepass"), digest_size=8).digest()
