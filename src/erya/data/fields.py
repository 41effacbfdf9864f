"""The fields a caller wants of a row, and what each may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from erya.errors import InputError, nearest_hint

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to take from a row.

    Attributes:
        columns: for each field, the column (or JSON key) it stands in.
        structured: the fields that may hold anything JSON can say; the others hold text.
        optional: the fields that a row may lack.
    """

    columns: Mapping[str, str]
    structured: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()

    @property
    def required(self) -> list[str]:
        """The columns that every row must have."""
        return [column for field, column in self.columns.items() if field not in self.optional]

    @property
    def numbers(self) -> list[str]:
        """The columns that are numbers, as they are where a table has no line of names; those that every row
        must have, if any, all are. Otherwise none."""
        numbers = [column for column in self.columns.values() if column.isdecimal()]
        return (self.required or numbers) if set(numbers).issuperset(self.required) else []

    def of_object(self, row: Mapping[str, Any], where: str) -> tuple[dict[str, str], dict[str, Any]]:
        """The fields of a JSON object or of a row of a Parquet file: those of text, and the structured.

        Raises:
            InputError: a field is not there, or is no text where text is wanted.
        """
        values, data = {}, {}
        for field, key in self.columns.items():
            if field in self.optional and row.get(key) is None:
                continue
            self._require(row, key, field, where)
            if field in self.structured:
                data[field] = row[key]
            else:
                values[field] = _as_text(row[key], f"{where}, field {key!r}")
        return values, data

    def of_cells(self, row: Mapping[str, str], where: str) -> tuple[dict[str, str], dict[str, Any]]:
        """The fields of a row of a table, by field; a cell with a structured field holds JSON.

        Raises:
            InputError: such a cell is not JSON.
        """
        values = {field: cell for field, cell in row.items() if field not in self.structured}
        data = {
            field: _from_json(row[field], f"{where}, field {self.columns[field]!r}")
            for field in self.structured
            if field in row and (row[field].strip() or field not in self.optional)
        }
        return values, data

    def _require(self, row: Mapping[str, Any], key: str, field: str, where: str) -> None:
        if key not in row:
            raise InputError(
                f"there is no key {key!r} (wanted for {field}); the object has: {', '.join(row)}",
                where=where,
                hint=nearest_hint(key, row),
            )


def _as_text(value: object, where: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):  # bool too: true and false
        return json.dumps(value)
    said = json.dumps(value, ensure_ascii=False, default=str)[:_SHOWN]
    raise InputError(f"a text or a whole number is wanted, not {said}", where=where)


def _from_json(cell: str, where: str) -> Any:
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        raise InputError(f"JSON is wanted, not {cell[:_SHOWN]!r}", where=where) from None
