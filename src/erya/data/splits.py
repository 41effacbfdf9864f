"""The splits of documents and shards: text to train on, and text held out to score on."""

from __future__ import annotations

from typing import Literal

Split = Literal["train", "heldout"]
SPLITS: tuple[Split, ...] = ("train", "heldout")
