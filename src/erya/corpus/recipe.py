"""Everything that decides what raw text becomes: the options of `erya corpus clean`."""

from __future__ import annotations

from pydantic import Field

from erya.config import StrictModel
from erya.corpus.decontaminate.options import DecontaminateOptions
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.filters.options import FilterOptions
from erya.corpus.read.options import ReadOptions
from erya.text.clean import CleanOptions
from erya.text.script import Conversion
from erya.text.segmenters import SegmenterOptions
from erya.text.sentences import SentenceOptions


class ScriptConversion(StrictModel):
    """Convert the script of some of the documents.

    Attributes:
        name: OpenCC's name for the conversion: `t2s`, `s2t`, `s2twp`, ...
        share: of the documents, drawn by cluster, in (0, 1].
    """

    name: Conversion
    share: float = Field(1.0, gt=0, le=1)


class CorpusRecipe(StrictModel):
    """How raw records become documents.

    Attributes:
        read: where the text stands in a record.
        clean: repairs of characters.
        filters: what is left out, and what is cut out of a text.
        decontaminate: the texts that models are scored on; documents that hold one are left out.
        deduplicate: what counts as a duplicate.
        convert: script conversions, one after the other: `t2s` and then `s2t` with share 0.2 makes a corpus
            of which a fifth is traditional.
        segmenter: how words are found.
        sentences: how sentences are found.
        heldout: share of the clusters held out of training, in [0, 1).
    """

    read: ReadOptions = ReadOptions()
    clean: CleanOptions = CleanOptions()
    filters: FilterOptions = FilterOptions()
    decontaminate: DecontaminateOptions = DecontaminateOptions()
    deduplicate: DeduplicateOptions = DeduplicateOptions()
    convert: tuple[ScriptConversion, ...] = ()
    segmenter: SegmenterOptions = SegmenterOptions()
    sentences: SentenceOptions = SentenceOptions()
    heldout: float = Field(0.01, ge=0, lt=1)
