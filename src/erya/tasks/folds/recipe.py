"""Which part of one file is held out."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from erya.config import StrictModel


class FoldRecipe(StrictModel):
    """One of the parts a training file is dealt into; it is held out and the others are learnt from.

    Attributes:
        index: which part, from 0.
        of: how many parts there are.
        seed: of the dealing; the same for all parts of a file.
    """

    index: int = Field(ge=0)
    of: int = Field(ge=2)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _index_is_one_of_them(self) -> Self:
        if self.index >= self.of:
            raise ValueError(f"of {self.of} parts there is no part {self.index}: the first is 0")
        return self
