"""How large the demo is: sized to end within ten minutes on two cores."""

from __future__ import annotations

from pydantic import Field

from erya.bundled import DEFAULT_MODEL
from erya.config import StrictModel


class DemoSettings(StrictModel):
    """Sizes of the demo.

    Attributes:
        model: the pre-trained model: one that comes with the package, or a directory.
        num_labelled: labelled reviews the classifiers learn from; the others serve as raw text.
        num_dev: reviews by which the best state is chosen, at most.
        num_test: reviews that are scored at the end, at most.
        num_seeds: runs of each classifier.
        epochs: passes of each classifier over its labelled reviews, at most.
        adapt_tokens: tokens of raw text on which the model goes on.
        max_length: most tokens of a sequence.
    """

    model: str = DEFAULT_MODEL
    num_labelled: int = Field(1000, ge=20)
    num_dev: int = Field(400, ge=20)
    num_test: int = Field(2000, ge=20)
    num_seeds: int = Field(3, ge=2)
    epochs: int = Field(3, ge=1)
    adapt_tokens: int = Field(1_000_000, ge=1)
    max_length: int = Field(128, ge=3)
