"""Which tool wrote a file, told by what is in it, so that a user gives just the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from erya.data.annotations.annotated import Annotated
from erya.data.annotations.cluener import read_cluener
from erya.data.annotations.conll import read_conll
from erya.data.annotations.doccano import read_doccano
from erya.data.annotations.label_studio import read_label_studio
from erya.data.annotations.squad import Question, read_squad
from erya.data.annotations.tags import looks_like_tag
from erya.data.lines import numbered_lines
from erya.data.problems import Report, refuse
from erya.errors import InputError
from erya.files import COMPRESSED_SUFFIXES, open_binary, require_file

# `records` are rows with named columns: TSV, CSV, Parquet, and JSON lines that are none of the others.
Layout = Literal["conll", "cluener", "doccano", "label_studio", "squad", "records"]

_HEAD_LINES = 50
_HEAD_CHARACTERS = 1 << 16
_CONLL_SUFFIXES = (".conll", ".bio", ".bioes", ".bmes", ".iob", ".iob2", ".ner", ".pos")


def detect_layout(path: Path) -> Layout:
    """The layout of a file, by its first lines.

    Args:
        path: a file, perhaps compressed.
    Raises:
        InputError: the file is missing, empty, binary or not UTF-8, or is none of them.
    """
    suffixes = [
        suffix.lower() for suffix in require_file(path).suffixes if suffix.lower() not in COMPRESSED_SUFFIXES
    ]
    suffix = suffixes[-1] if suffixes else ""
    if suffix == ".parquet":
        return "records"
    lines = _head(path)
    if not lines:
        raise InputError("the file is empty", where=str(path))
    is_table = suffix in (".tsv", ".csv") or (suffix == ".txt" and "\t" in lines[0])
    if lines[0].lstrip().startswith(("{", "[")) and not is_table and suffix not in _CONLL_SUFFIXES:
        return _json_layout(lines, path)
    if suffix in _CONLL_SUFFIXES or _looks_like_conll(lines):
        return "conll"
    if is_table:
        return "records"
    raise InputError(
        "the file is neither JSON nor a token and its tag on each line",
        where=str(path),
        hint="rows with named columns are read from .tsv, .csv, .jsonl and .parquet",
    )


def read_annotated(path: Path, *, report: Report = refuse) -> Iterator[Annotated]:
    """Texts with entities or labels from a file of any layout but `squad` and `records`.

    Args:
        path: the file.
        report: told of what cannot be used.
    Raises:
        InputError: the file is of another layout or cannot be read, or `report` refuses.
    """
    layout = detect_layout(path)
    readers = {
        "conll": read_conll,
        "cluener": read_cluener,
        "doccano": read_doccano,
        "label_studio": read_label_studio,
    }
    if layout not in readers:
        raise InputError(
            "the file holds no annotated texts" + (" but questions" if layout == "squad" else ""),
            where=str(path),
            hint="known: CoNLL lines, CLUENER, doccano (JSON lines) and Label Studio (JSON)",
        )
    return readers[layout](path, report=report)


def read_questions(path: Path, *, report: Report = refuse) -> Iterator[Question]:
    """Questions from a file of the layout `squad`.

    Args:
        path: the file.
        report: told of what cannot be used.
    Raises:
        InputError: the file is of another layout or cannot be read, or `report` refuses.
    """
    if detect_layout(path) != "squad":
        raise InputError(
            "the file holds no questions on passages",
            where=str(path),
            hint="known: the JSON of SQuAD, CMRC and DRCD",
        )
    return read_squad(path, report=report)


def _head(path: Path) -> list[str]:
    """The first lines that are not empty, up to some length."""
    lines, size = [], 0
    with open_binary(path) as stream:
        for _, line in numbered_lines(str(path), stream):
            if line.strip():
                lines.append(line)
            size += len(line)
            if len(lines) == _HEAD_LINES or size > _HEAD_CHARACTERS:
                break
    return lines


def _json_layout(lines: list[str], path: Path) -> Layout:
    first = _object_of(lines[0])
    if first is not None and not isinstance(first.get("data"), list):
        return _lines_layout([row for line in lines if (row := _object_of(line)) is not None])
    head = "".join(lines)[:_HEAD_CHARACTERS]
    if re.search(r'"(paragraphs|context_text|qas)"\s*:', head):
        return "squad"
    if head.lstrip().startswith("["):
        return "label_studio"
    raise InputError(
        "a JSON document of an unknown kind",
        where=str(path),
        hint="known: SQuAD, CMRC, DRCD, Label Studio; or JSON lines, one object a line",
    )


def _lines_layout(rows: list[dict[str, Any]]) -> Layout:
    """The layout of JSON lines, by the rows that have something marked."""
    for row in rows:
        label = row.get("label", row.get("labels"))
        if isinstance(label, dict):
            return "cluener"
        if isinstance(label, list) or isinstance(row.get("entities"), list) or "cats" in row:
            return "doccano"
    return "records"


def _object_of(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _looks_like_conll(lines: list[str]) -> bool:
    """Whether most lines are a short token and a tag; a table would have to be full of the letter O."""
    cells = [line.rstrip("\r\n").split("\t" if "\t" in line else " ") for line in lines]
    tagged = [len(row) >= 2 and looks_like_tag(row[-1]) and len(row[0]) < 20 for row in cells]
    return sum(tagged) > 0.9 * len(cells)
