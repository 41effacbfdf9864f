"""Which texts a corpus must not hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from erya.config import StrictModel


class DecontaminateOptions(StrictModel):
    """Evaluation texts, and when a document holds one.

    Attributes:
        files: files, directories and patterns; every string in them is a text, whatever its column or key.
        share: a text stands in a document that has so much of it, in one stretch: this share of the text's
            n-grams. Lower finds texts that were edited more, and documents that have only a part of one.
    """

    files: tuple[str, ...] = ()
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
