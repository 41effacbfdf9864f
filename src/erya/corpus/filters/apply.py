"""The filters as one step: texts in, edited texts and reasons out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.boilerplate import without_boilerplate
from erya.corpus.filters.classes import Kind
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.table import FILTERS
from erya.text.private import mask_private

# The least digits of anything that is masked but an address with an @.
_MIN_PRIVATE_DIGITS = 10


@dataclass(slots=True)
class FilterOutcome:
    """What the filters made of D texts.

    Attributes:
        texts: the texts, edited; of dropped ones as the filters saw them.
        reasons: why each is dropped, the first reason in the order of `FILTERS`; None: it is kept.
        edits: how many lines were taken out of all texts and numbers masked in those kept, by name.
    """

    texts: list[str]
    reasons: list[str | None]
    edits: Counter[str] = field(default_factory=Counter)


class Filters:
    """Takes out lines, drops documents, masks. Calling it is a pure function; an instance pickles.

    Args:
        options: what to drop, take out and mask.
    """

    def __init__(self, options: FilterOptions) -> None:
        self._options = options

    def __call__(self, texts: Sequence[str]) -> FilterOutcome:
        """Filter cleaned texts (no lone surrogates; a text's lines are set apart by line feeds)."""
        batch, edits = TextBatch(texts), Counter[str]()
        if self._options.boilerplate_lines:
            batch, edits = without_boilerplate(batch)
        reasons: list[str | None] = [None] * len(batch)
        for reason, function in reversed(FILTERS):
            for document in np.flatnonzero(function(batch, self._options)).tolist():
                reasons[document] = reason
        outcome = FilterOutcome(batch.texts, reasons, edits)
        if self._options.mask:
            self._mask(batch, outcome)
        return outcome

    def _mask(self, batch: TextBatch, outcome: FilterOutcome) -> None:
        may_hold = batch.counts[:, Kind.DIGIT] >= _MIN_PRIVATE_DIGITS
        may_hold |= batch.count_by_document(batch.codes == ord("@")) > 0
        for document in np.flatnonzero(may_hold).tolist():
            if outcome.reasons[document] is not None:
                continue
            masked = mask_private(outcome.texts[document], self._options.mask)
            if masked is not None:
                outcome.texts[document] = masked.aligned.text
                outcome.edits.update({f"masked {kind}": count for kind, count in masked.counts.items()})
