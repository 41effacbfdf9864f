"""Drafts that hold evaluation texts are left out: a step of the first phase."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from erya.corpus.decontaminate.finding import Finder
from erya.corpus.decontaminate.letters import letters_of
from erya.corpus.deduplicate.folding import Folded, fold, letter_places
from erya.corpus.drafts import Draft
from erya.corpus.summaries import BlockSummary, length_counts, timed

# Why a document is left out; also the name of the step.
IN_EVALUATION = "stands in evaluation data"
_CHARACTERS_BEFORE = 20


class EvaluationStage:
    """Leaves out drafts that hold evaluation texts. An instance travels to worker processes.

    Args:
        folder: the index of the texts.
        share: of a text that must stand in a document.
    """

    def __init__(self, folder: Path, share: float) -> None:
        self._folder, self._share = folder, share

    def __call__(
        self, drafts: Sequence[Draft], folded: Folded, summary: BlockSummary
    ) -> tuple[list[Draft], Folded]:
        """The drafts that stay, and their folded characters; the others are counted.

        Args:
            drafts: filtered.
            folded: their characters.
            summary: of the unit.
        """
        with timed(summary.seconds, IN_EVALUATION):
            found = Finder(self._folder, self._share)(letters_of(folded))
            summary.evaluation_texts = np.unique(found.texts).tolist()
            first = dict(zip(found.documents[::-1].tolist(), found.places[::-1].tolist(), strict=True))
            if not first:
                return list(drafts), folded
            kept = [draft for number, draft in enumerate(drafts) if number not in first]
            dropped = [drafts[number].whole for number in sorted(first)]
            for number in sorted(first):
                summary.note_sample(
                    IN_EVALUATION, drafts[number].where, _passage(drafts[number].whole, first[number])
                )
            summary.dropped[IN_EVALUATION] = len(dropped)
            summary.evaluation_characters = sum(map(len, dropped))
            before = summary.lengths_dropped
            summary.lengths_dropped = (np.array(before) + length_counts(dropped)).tolist()
            return kept, fold([draft.whole for draft in kept])


def _passage(text: str, letters: int) -> str:
    """A text from a little before where so many of its letters are passed."""
    start = max(int(letter_places(text)[letters]) - _CHARACTERS_BEFORE, 0)
    return ("…" if start else "") + text[start:]
