"""Everything the report needs, gathered as examples stream by: a few numbers each, and few texts."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from erya.evaluate.adapters.adapter import Adapter
from erya.evaluate.outcome import Outcome
from erya.evaluate.sums import CountTable
from erya.text.script_of import script_of

# Probabilities kept for curves and label errors: 128 MiB. What comes later is counted, not kept.
_MOST_PROBABILITIES = 32 * 2**20
_EXAMPLES_OF_A_PAIR = 3
# To the character; but for white space, punctuation, script, width and letter case.
Seen = Literal["no", "verbatim", "alike"]
SEEN: tuple[Seen, ...] = get_args(Seen)
SCRIPTS = ("simplified", "traditional", "mixed", "neutral", "none")


class Ledger:
    """Adds up outcomes.

    Args:
        adapter: of the task.
        num_worst: how many of the worst mistakes to keep with their texts.
    """

    def __init__(self, adapter: Adapter, *, num_worst: int) -> None:
        self.adapter = adapter
        self.table: CountTable | None = None
        self.confusion: Counter[tuple[int, int]] = Counter()
        self.sources: dict[str, int] = {}
        self.num_true = 0
        self.probabilities_cut = False
        self._worst = _Worst(num_worst)
        self._pairs: dict[tuple[int, int], _Worst] = {}
        self._lines, self._lengths, self._right = array("q"), array("i"), array("b")
        self._scripts, self._source_ids, self._seen = array("b"), array("i"), array("b")
        self._claim_probabilities, self._claim_right = array("f"), array("b")
        self._distributions = array("f")
        self._truths, self._given_places = bytearray(), array("q")

    def add(self, outcome: Outcome, *, source: str | None = None, seen: Seen = "no") -> None:
        """Add one example.

        Args:
            outcome: what happened to it.
            source: where it comes from, where the file says so.
            seen: whether the training file has its texts too.
        """
        if self.table is None:
            self.table = CountTable(len(outcome.counts))
        self.table.add(outcome.counts)
        self._lines.append(outcome.line)
        self._lengths.append(len(outcome.text) + len(outcome.pair or ""))
        self._scripts.append(SCRIPTS.index(script_of(outcome.text + (outcome.pair or ""))))
        self._right.append(outcome.is_right)
        self._seen.append(SEEN.index(seen))
        if source is not None:
            self._source_ids.append(self.sources.setdefault(source, len(self.sources)))
        self.num_true += outcome.num_true
        for claim in outcome.claims:
            self._claim_probabilities.append(claim.probability)
            self._claim_right.append(claim.is_right)
        self._add_distribution(outcome)
        self._add_mistake(outcome)

    def _add_distribution(self, outcome: Outcome) -> None:
        if outcome.distribution is None:
            return
        if len(self._distributions) + len(outcome.distribution) > _MOST_PROBABILITIES:
            self.probabilities_cut = True
            return
        self._distributions.frombytes(outcome.distribution.astype(np.float32).tobytes())
        truths = bytearray(len(outcome.distribution))
        for c in outcome.true_classes:
            truths[c] = 1
        self._truths += truths
        self._given_places.append(len(self) - 1)

    def _add_mistake(self, outcome: Outcome) -> None:
        for cell in outcome.cells:
            self.confusion[cell] += 1
        if outcome.is_right:
            return
        self._worst.add(outcome)
        texts = outcome.cell_texts or (outcome.text,) * len(outcome.cells)
        for cell, text in dict(zip(outcome.cells, texts, strict=True)).items():
            if cell[0] != cell[1]:
                self._pairs.setdefault(cell, _Worst(_EXAMPLES_OF_A_PAIR)).add(_short(outcome, text))

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def counts(self) -> CountTable:
        """The counts of all examples."""
        return self.table if self.table is not None else CountTable(0)

    @property
    def lines(self) -> NDArray[np.int64]:
        """Where each example stands, shape (S,)."""
        return np.array(self._lines, dtype=np.int64)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Characters of each example, shape (S,)."""
        return np.array(self._lengths, dtype=np.int64)

    @property
    def scripts(self) -> NDArray[np.int64]:
        """The script of each example, an index of `SCRIPTS`, shape (S,)."""
        return np.array(self._scripts, dtype=np.int64)

    @property
    def source_ids(self) -> NDArray[np.int64]:
        """The source of each example, a value of `sources`; shape (S,), or (0,) where none is known."""
        return np.array(self._source_ids, dtype=np.int64)

    @property
    def right(self) -> NDArray[np.bool_]:
        """Which examples were answered right from end to end, shape (S,)."""
        return np.array(self._right, dtype=bool)

    @property
    def seen(self) -> NDArray[np.int64]:
        """Whether the training file has the texts of each example, an index of `SEEN`, shape (S,)."""
        return np.array(self._seen, dtype=np.int64)

    def claims(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """The probability of everything the model said, and whether it is right."""
        return np.array(self._claim_probabilities, dtype=np.float64), np.array(self._claim_right, dtype=bool)

    def distributions(self) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
        """Probabilities and truths of the examples that have them, shape (D, C), and which these are.

        Those are numbers from 0 in the order of the file, shape (D,): several may stand in one line.
        """
        places = np.array(self._given_places, dtype=np.int64)
        shape = (len(places), len(self._truths) // max(len(places), 1))
        rows = np.array(self._distributions, dtype=np.float32).reshape(shape)
        truths = np.frombuffer(bytes(self._truths), dtype=bool).reshape(shape)
        return rows, truths, places

    def worst(self) -> tuple[Outcome, ...]:
        """The worst mistakes, the worst first."""
        return self._worst.sorted()

    def confused(self, most: int) -> list[tuple[tuple[int, int], int, tuple[Outcome, ...]]]:
        """The commonest mistakes: (truth, answer), how often, and examples of them."""
        mistakes = [(cell, count) for cell, count in self.confusion.items() if cell[0] != cell[1]]
        mistakes.sort(key=lambda item: (-item[1], item[0]))
        return [(cell, count, self._pairs[cell].sorted()) for cell, count in mistakes[:most]]


class _Worst:
    """Keeps the `size` worst mistakes and no other text."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._heap: list[tuple[float, int, int, Outcome]] = []
        self._added = 0

    def add(self, outcome: Outcome) -> None:
        self._added += 1
        heapq.heappush(self._heap, (outcome.severity, -outcome.line, -self._added, outcome))
        if len(self._heap) > self._size:
            heapq.heappop(self._heap)

    def sorted(self) -> tuple[Outcome, ...]:
        ranked = sorted(self._heap, key=lambda item: item[:3], reverse=True)
        return tuple(outcome for *_, outcome in ranked)


def _short(outcome: Outcome, text: str) -> Outcome:
    """An outcome as it is shown in passing: the head of a text, nothing else that takes room."""
    pair = outcome.pair
    return replace(
        outcome,
        text=text[:200],
        pair=pair[:200] if pair is not None else None,
        distribution=None,
        cell_texts=(),
        gold=(),
        found=(),
    )
