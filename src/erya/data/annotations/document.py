"""One JSON document with the line each of its objects begins on: what is wrong in it can be found."""

from __future__ import annotations

import json
from bisect import bisect_right
from json.decoder import JSONObject  # type: ignore[attr-defined]  # the only way to learn where an object begins
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any

from erya.data.lines import numbered_lines
from erya.errors import InputError
from erya.files import open_binary

# The whole document is held at once; the largest published reading set is a tenth of this.
_MAX_CHARACTERS = 1 << 28


class Placed(dict[str, Any]):
    """A JSON object that knows where it stands.

    Attributes:
        line: the line it begins on, from 1.
    """

    line: int = 1


def read_document(path: Path) -> Any:
    """The value of a JSON file; its objects are `Placed`.

    Args:
        path: UTF-8, perhaps compressed.
    Raises:
        InputError: the file is no JSON (with the line), or larger than 256 million characters.
    """
    pieces, size = [], 0
    with open_binary(path) as stream:
        for _, line in numbered_lines(str(path), stream):
            pieces.append(line)
            size += len(line)
            if size > _MAX_CHARACTERS:
                raise InputError(
                    "the document is too large to be held at once",
                    where=str(path),
                    hint="cut it into several files, or use JSON lines, one object a line",
                )
    text = "".join(pieces)
    if not text.strip():
        raise InputError("the file is empty", where=str(path))
    try:
        return _PlacingDecoder(text).decode(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"not JSON: {error.msg}", where=f"{path}, line {error.lineno}, column {error.colno}"
        ) from None
    except (ValueError, RecursionError):
        raise InputError("not JSON: a number is too long or lists lie too deep", where=str(path)) from None


class _PlacingDecoder(json.JSONDecoder):
    def __init__(self, text: str) -> None:
        super().__init__()
        self._ends = [place for place, character in enumerate(text) if character == "\n"]
        self.parse_object = self._parse
        self.scan_once = py_make_scanner(self)

    def _parse(self, text_and_end: tuple[str, int], *rest: Any) -> tuple[Placed, int]:
        value, end = JSONObject(text_and_end, *rest)
        placed = Placed(value)
        placed.line = bisect_right(self._ends, text_and_end[1] - 1) + 1
        return placed, end
