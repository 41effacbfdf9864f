"""Documents made of raw files in this process, near-duplicates left in: where later tests begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erya.corpus.clean import clean_corpus
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.engines.local import LocalEngine
from erya.corpus.recipe import CorpusRecipe


def make_documents(raw: Sequence[Path], out: Path, *, heldout: float = 0.01) -> None:
    """Clean `raw` into the documents directory `out`."""
    recipe = CorpusRecipe(heldout=heldout, deduplicate=DeduplicateOptions(near="off"))
    clean_corpus(raw, out, recipe, engine=LocalEngine(1), memory_bytes=1 << 29)
