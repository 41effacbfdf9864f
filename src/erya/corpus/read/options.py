"""Where the text stands in raw files."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.text.encodings import Encoding

Unit = Literal["line", "paragraph", "file"]


class ReadOptions(StrictModel):
    """Where the text stands in a record, and how bytes are read.

    Attributes:
        field: the field that holds the text. For CSV and TSV a number is a column, counted from 1, of a file
            that has no line of column names.
        title_field, source_field: the fields of a title and of the name of where a text comes from; records
            need not have them.
        pair_field: the field of the second text of a pair; None if texts are no pairs.
        unit: what one document of a text file is.
        encoding: of text files; `auto` finds it out for each.
    """

    field: str = Field("text", min_length=1)
    title_field: str = Field("title", min_length=1)
    source_field: str = Field("source", min_length=1)
    pair_field: str | None = Field(None, min_length=1)
    unit: Unit = "line"
    encoding: Literal["auto"] | Encoding = "auto"

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.pair_field == self.field:
            raise ValueError("the second text of a pair stands in another field than the first")
        return self

    @property
    def has_column_numbers(self) -> bool:
        """Whether tables have no line of column names: the field is a number."""
        return self.field.isdecimal()
