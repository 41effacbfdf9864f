"""Making an index, or bringing one up to date: unchanged files keep their vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import write_array_header_2_0
from numpy.typing import NDArray

from erya.errors import InputError
from erya.files import atomic_directory, sha256_of, to_json
from erya.tasks.embed.index.passages import passages
from erya.tasks.embed.index.store import (
    INDEX_FILE,
    SPANS_FILE,
    VECTORS_FILE,
    IndexedFile,
    IndexOptions,
    IndexRecord,
    SearchIndex,
)
from erya.text.decode import decode

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Vectors of length 1 of passages, shape (passages, D)."""

# Passages embedded together, over the bounds of files: many files are short.
_GROUP = 1024


@dataclass(slots=True)
class IndexReport:
    """What was done.

    Attributes:
        files: in the index now.
        passages: in it.
        kept_files: of these, whose vectors were there already.
        computed: passages that were embedded.
        skipped: files that could not be read, with the reason.
    """

    files: int = 0
    passages: int = 0
    kept_files: int = 0
    computed: int = 0
    skipped: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A file: its passages' texts, or where its vectors stand in the old index."""

    file: IndexedFile
    spans: NDArray[np.int64]
    texts: tuple[str, ...]
    old: slice | None


def build_index(
    folder: Path,
    out: Path,
    *,
    embed: Embed,
    options: IndexOptions,
    model_directory: str,
    endings: Sequence[str],
    progress: Callable[[int], None],
) -> IndexReport:
    """Index all texts below a folder; the index is whole or, if anything fails, what it was before.

    Args:
        folder: the texts, in any encoding of Chinese.
        out: the index; an existing one is replaced, and gives the vectors of unchanged files.
        embed: makes vectors.
        options: what these depend on.
        model_directory: noted in the index.
        endings: of names of files that are texts, such as `.txt`.
        progress: told how many more passages are done.
    Raises:
        InputError: there is no such folder, or no text in it.
        StorageError: `out` holds something else, or the disk refuses.
    """
    paths = _files(folder, endings)
    old = _old(out, options)
    report, files = IndexReport(), list[IndexedFile]()
    pieces = _pieces(paths, folder, old, options, report)
    with atomic_directory(out, replace=True, marker=INDEX_FILE) as aside:
        with (aside / VECTORS_FILE).open("wb") as vectors:
            _write_header(vectors, 0, options)
            begin = vectors.tell()
            spans = []
            for piece, rows in _embedded(pieces, embed, old, options, progress):
                files.append(piece.file)
                spans.append(piece.spans)
                rows.tofile(vectors)
                report.computed += 0 if piece.old is not None else len(rows)
            report.files, report.passages = len(files), sum(map(len, spans))
            vectors.seek(0)
            _write_header(vectors, report.passages, options)
            assert vectors.tell() == begin, "a header has room for any number of rows"
        np.save(aside / SPANS_FILE, np.concatenate([np.zeros((0, 2), np.int64), *spans]))
        record = IndexRecord(
            folder=str(folder.resolve()),
            model_directory=model_directory,
            options=options,
            files=tuple(files),
        )
        text = to_json(record.model_dump(mode="json"), indent=1) + "\n"
        (aside / INDEX_FILE).write_text(text, encoding="utf-8")
    return report


def _files(folder: Path, endings: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder))
    wanted = tuple(ending.lower() for ending in endings)
    found = sorted(
        path for path in folder.rglob("*") if path.name.lower().endswith(wanted) and path.is_file()
    )
    if not found:
        raise InputError(f"no file ends in {' or '.join(endings)}", where=str(folder), hint="see: --ending")
    return found


def _old(out: Path, options: IndexOptions) -> SearchIndex | None:
    """The index that is there, if its vectors can be kept."""
    if not (out / INDEX_FILE).is_file():
        return None
    index = SearchIndex.open(out)
    return index if index.record.options == options else None


def _pieces(
    paths: Sequence[Path], folder: Path, old: SearchIndex | None, options: IndexOptions, report: IndexReport
) -> Iterator[_Piece]:
    """The files one by one; what can be kept is known by its content, whatever its name is now."""
    known = {file.sha256: file for file in old.record.files} if old is not None else {}
    row = 0
    for path in paths:
        name, sha256 = path.relative_to(folder).as_posix(), sha256_of(path)
        kept = known.get(sha256)
        texts: tuple[str, ...] = ()
        if kept is not None and old is not None:
            rows = slice(kept.start, kept.end)
            spans = np.array(old.spans[rows])
            report.kept_files += 1
        else:
            try:
                text, _ = decode(path.read_bytes(), errors="replace", name=name)
            except InputError as error:
                report.skipped.append(f"{name}: {error.what}")
                continue
            cut = passages(text, max_chars=options.max_chars)
            rows, spans = None, np.array(cut, dtype=np.int64).reshape(-1, 2)
            texts = tuple(text[start:end] for start, end in cut)
        yield _Piece(
            IndexedFile(path=name, sha256=sha256, start=row, end=row + len(spans)), spans, texts, rows
        )
        row += len(spans)


def _embedded(
    pieces: Iterator[_Piece],
    embed: Embed,
    old: SearchIndex | None,
    options: IndexOptions,
    progress: Callable[[int], None],
) -> Iterator[tuple[_Piece, NDArray[np.floating]]]:
    """Each piece with its vectors, in order; new passages are embedded in groups."""
    waiting: list[_Piece] = []
    num_texts = 0
    for piece in pieces:
        waiting.append(piece)
        num_texts += len(piece.texts)
        if num_texts >= _GROUP or len(waiting) >= _GROUP:
            yield from _flushed(waiting, embed, old, options, progress)
            waiting, num_texts = [], 0
    yield from _flushed(waiting, embed, old, options, progress)


def _flushed(
    waiting: Sequence[_Piece],
    embed: Embed,
    old: SearchIndex | None,
    options: IndexOptions,
    progress: Callable[[int], None],
) -> Iterator[tuple[_Piece, NDArray[np.floating]]]:
    texts = [text for piece in waiting for text in piece.texts]
    groups = []
    for begin in range(0, len(texts), _GROUP):
        groups.append(embed(texts[begin : begin + _GROUP]).astype(options.dtype))
        progress(len(groups[-1]))
    new = np.concatenate([np.zeros((0, options.size), options.dtype), *groups])
    start = 0
    for piece in waiting:
        if piece.old is not None and old is not None:
            yield piece, np.array(old.vectors[piece.old])
        else:
            yield piece, new[start : start + len(piece.texts)]
            start += len(piece.texts)


def _write_header(stream: Any, rows: int, options: IndexOptions) -> None:
    """The header of a .npy file, as long for any number of rows."""
    header = {
        "descr": np.dtype(options.dtype).newbyteorder("<").str,
        "fortran_order": False,
        "shape": (rows, options.size),
    }
    write_array_header_2_0(stream, header)
