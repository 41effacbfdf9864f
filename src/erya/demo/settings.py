"""How large the demo is: sized to end in about ten minutes on two cores."""

from __future__ import annotations

from pydantic import Field

from erya.config import StrictModel


class DemoSettings(StrictModel):
    """Sizes of the demo.

    Attributes:
        num_labelled: labelled reviews the classifiers learn from; the others serve as raw text.
        num_scored: dev and test reviews used, each at most.
        num_seeds: runs of each classifier.
        vocab_size: size of the vocabulary, at most.
        hidden_size: width of the encoder; its heads are 64 wide.
        num_layers: its depth.
        pretrain_steps: optimiser steps of 1,024 tokens.
        epochs: passes of each classifier over its labelled reviews, at most.
    """

    num_labelled: int = Field(1000, ge=20)
    num_scored: int = Field(2000, ge=20)
    num_seeds: int = Field(3, ge=2)
    vocab_size: int = Field(8000, ge=200)
    hidden_size: int = Field(256, ge=64, multiple_of=64)
    num_layers: int = Field(2, ge=1)
    pretrain_steps: int = Field(5200, ge=1)
    epochs: int = Field(4, ge=1)
