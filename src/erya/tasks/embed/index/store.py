"""An index on disk: which passages there are, and their vectors, mapped into memory when they are asked.

`index.json` names the model, the options and the files; `spans.npy` holds the passages of all files, int64,
shape (C, 2); `vectors.npy` their vectors, float16 or float32, shape (C, D).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from erya.checkpoints.info import read_json
from erya.config import StrictModel, validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.files import sha256_of
from erya.tasks.embed.retrieval import closest
from erya.text.decode import decode

INDEX_FILE, SPANS_FILE, VECTORS_FILE = "index.json", "spans.npy", "vectors.npy"
_FORMAT = 1  # of the directory


class IndexedFile(StrictModel):
    """A file and its passages.

    Attributes:
        path: below the folder, with slashes.
        sha256: of its bytes.
        start, end: its rows in the arrays.
    """

    path: str
    sha256: str
    start: int
    end: int


class IndexOptions(StrictModel):
    """What vectors of an index depend on; where these are the same, those of unchanged files are kept.

    Attributes:
        model: fingerprint of the weights, the vocabulary and the settings.
        size: width of a vector.
        max_chars: longest passage in characters.
        dtype: number format of the vectors.
    """

    model: str
    size: int
    max_chars: int
    dtype: Literal["float16", "float32"]


class IndexRecord(StrictModel):
    """The contents of `index.json`.

    Attributes:
        format_version: of the directory.
        folder: the texts, as an absolute path.
        model_directory: where the model was.
        options: what the vectors depend on.
        files: in the order of the rows.
    """

    format_version: Literal[1] = 1
    folder: str
    model_directory: str
    options: IndexOptions
    files: tuple[IndexedFile, ...]

    @property
    def num_passages(self) -> int:
        """Of all files."""
        return self.files[-1].end if self.files else 0

    @model_validator(mode="after")
    def _rows_follow_each_other(self) -> Self:
        end = 0
        for file in self.files:
            if file.start != end or file.end < end:
                raise ValueError(f"the rows of {file.path} do not follow those of the file before")
            end = file.end
        return self


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage that was found.

    Attributes:
        path: the file, below the folder.
        start, end: the passage in its text, half-open, in characters.
        score: cosine with the query.
        text: the passage; None where the file is gone or has changed since it was indexed.
    """

    path: str
    start: int
    end: int
    score: float
    text: str | None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "file": self.path,
            "start": self.start,
            "end": self.end,
            "score": self.score,
            "text": self.text,
        }


class SearchIndex:
    """An open index.

    Args:
        directory: of the index.
        record: its `index.json`.
    """

    def __init__(self, directory: Path, record: IndexRecord) -> None:
        self.directory, self.record = directory, record
        self._ends = np.array([file.end for file in record.files], dtype=np.int64)

    @classmethod
    def open(cls, directory: Path) -> SearchIndex:
        """Open a directory that `erya search index` wrote.

        Raises:
            InputError: there is no index.
            CheckpointError: it is damaged or of a newer Erya.
        """
        path = directory / INDEX_FILE
        if not path.is_file():
            raise InputError(
                f"no index: there is no {INDEX_FILE}",
                where=str(directory),
                hint=f"make one: erya search index MODEL FOLDER --out {directory}",
            )
        record = _read_record(path)
        index = cls(directory, record)
        for name, array, width in (
            (VECTORS_FILE, index.vectors, record.options.size),
            (SPANS_FILE, index.spans, 2),
        ):
            if array.shape != (record.num_passages, width):
                raise CheckpointError(
                    f"the files of the index do not fit each other: {name} has the shape {array.shape}, by "
                    f"{INDEX_FILE} it is ({record.num_passages}, {width})",
                    where=str(directory),
                    hint=_anew(directory),
                )
        return index

    @cached_property
    def vectors(self) -> NDArray[np.floating]:
        """Shape (C, D), mapped."""
        return self._mapped(VECTORS_FILE)

    @cached_property
    def spans(self) -> NDArray[np.int64]:
        """Shape (C, 2), mapped."""
        return self._mapped(SPANS_FILE)

    def search(self, query: NDArray[np.float32], *, top: int) -> list[Hit]:
        """The passages closest to a vector of length 1, shape (D,), the best first."""
        if not len(self.vectors):
            return []
        numbers, scores = closest(query[None], self.vectors, top=top)
        texts: dict[str, str | None] = {}
        return [
            self._hit(number, score, texts)
            for number, score in zip(numbers[0].tolist(), scores[0].tolist(), strict=True)
        ]

    def _hit(self, number: int, score: float, texts: dict[str, str | None]) -> Hit:
        file = self.record.files[int(np.searchsorted(self._ends, number, side="right"))]
        if file.path not in texts:
            texts[file.path] = unchanged_text(Path(self.record.folder) / file.path, file.sha256)
        start, end = self.spans[number].tolist()
        text = texts[file.path]
        return Hit(file.path, start, end, score, None if text is None else text[start:end])

    def _mapped(self, name: str) -> NDArray[Any]:
        path = self.directory / name
        try:
            # Nothing can be mapped where there is nothing.
            array: NDArray[Any] = np.load(
                path, mmap_mode="r" if self.record.num_passages else None, allow_pickle=False
            )
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path, error) from None
        return array


def _read_record(path: Path) -> IndexRecord:
    """The contents of `index.json`.

    Raises:
        CheckpointError: it is damaged, or of a newer Erya.
    """
    try:
        data = read_json(path)
    except CheckpointError as error:
        raise _damaged(path, error.what) from None
    version = data.get("format_version")
    if isinstance(version, int) and version > _FORMAT:
        raise CheckpointError(
            f"the index is of a newer Erya: format {version}, this one knows {_FORMAT}",
            where=str(path),
            hint=f"use that one, or {_anew(path.parent)}",
        )
    try:
        return validate(IndexRecord, data, where=str(path))
    except ConfigError as error:
        raise _damaged(path, error.what) from None


def _damaged(path: Path, what: object) -> CheckpointError:
    return CheckpointError(f"damaged: {what}", where=str(path), hint=_anew(path.parent))


def _anew(directory: Path) -> str:
    return f"delete {directory} and index again: erya search index MODEL FOLDER --out {directory}"


def unchanged_text(path: Path, sha256: str) -> str | None:
    """The text of a file that is as it was; None where it is gone or another."""
    if not path.is_file() or sha256_of(path) != sha256:
        return None
    return decode(path.read_bytes(), errors="replace", name=str(path))[0]


def require_same_model(index: SearchIndex, fingerprint: str, *, where: str) -> None:
    """Make sure that a query is embedded by the model that embedded the passages.

    Raises:
        ConfigError: it is another.
    """
    if index.record.options.model != fingerprint:
        raise ConfigError(
            "the index was made by another model, or the model has changed since",
            where=where,
            hint=f"index again: erya search index MODEL {index.record.folder} --out {index.directory}",
        )
