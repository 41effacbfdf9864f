"""How good vectors are: by scored pairs, or by finding each text's pair among all.

Q queries, C passages, D width, P pairs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.metrics.classification import ClassificationScores, ConfusionCounts
from erya.metrics.correlation import CorrelationScores, PairedValues
from erya.metrics.lost_queries import LostQuery, worst_queries
from erya.metrics.ranking import RankingCounts, RankingScores, first_relevant, order_of
from erya.metrics.thresholds import f1_threshold
from erya.tasks.embed.examples import Example
from erya.tasks.embed.retrieval import closest

if TYPE_CHECKING:
    from erya.tasks.embed.task import Prediction

SIMILAR, DIFFERENT = "similar", "different"
DECISIONS = (DIFFERENT, SIMILAR)
# How far down the list of passages is looked.
_TOP = 10
RANKING_NUMBERS = ("mrr@10", "ndcg@10", "recall@1", "recall@10")


@dataclass(frozen=True, slots=True)
class EmbedScores:
    """What is known of a file of pairs; None where it cannot be said.

    Attributes:
        num_examples: texts or pairs.
        values: of cosines and scores, where pairs have scores.
        decisions: of `similar` and `different` at the model's threshold, where it has one.
        best_threshold: at which F1 of `similar` is largest on these pairs.
        similar_from: the score from which a pair counted as similar in truth; None where none did.
        ranking: of finding each text's own passages among all, where pairs have no scores.
        lost: texts whose first passage is none of their own, the worst first.
        num_passages: how many there are to choose from.
    """

    num_examples: int
    values: CorrelationScores | None
    decisions: ClassificationScores | None
    best_threshold: float | None
    similar_from: float | None
    ranking: RankingScores | None
    lost: tuple[LostQuery, ...]
    num_passages: int

    def numbers(self) -> Mapping[str, float]:
        """The numbers a run is watched by."""
        found: dict[str, float] = {}
        if self.values is not None:
            found |= {"spearman": self.values.spearman, "pearson": self.values.pearson}
        if self.decisions is not None:
            similar = self.decisions.classes[DECISIONS.index(SIMILAR)]
            found |= {"accuracy": self.decisions.accuracy, "similar_f1": similar.f1}
        if self.ranking is not None:
            found |= {name: self.ranking.values[name] for name in RANKING_NUMBERS}
        return found

    def to_dict(self) -> dict[str, Any]:
        """The scores as plain JSON values."""
        passages: dict[str, Any] = {}
        if self.ranking is not None:
            passages = {"queries": self.ranking.num_queries, "passages": self.num_passages}
        decisions = {} if self.decisions is None else {"decisions": self.decisions.to_dict()}
        return {"examples": self.num_examples, **self.numbers(), **passages, **decisions}


class EmbedTally:
    """Adds up pairs: of a scored pair two numbers are kept, of one without a score its vectors.

    Args:
        threshold: the model's, from which on a pair counts as similar; None for none.
        similar_from: the score from which it does so in truth; None: above the middle of those seen.
    """

    def __init__(self, *, threshold: float | None, similar_from: float | None) -> None:
        self._threshold, self._similar_from = threshold, similar_from
        self._cosines: list[float] = []
        self._truths: list[float] = []
        self._queries: dict[str, _Query] = {}
        self._passages: dict[str, NDArray[np.float32]] = {}
        self._num_examples = 0

    def add(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Add a batch; a text without a pair tells nothing."""
        self._num_examples += len(examples)
        for prediction, example in zip(predictions, examples, strict=True):
            if example.pair is None:
                continue
            if example.score is not None and prediction.score is not None:
                self._cosines.append(prediction.score)
                self._truths.append(example.score)
                continue
            query = self._queries.setdefault(example.text, _Query(example.line, _unit(prediction.embedding)))
            query.wanted[example.pair] = None
            for text, vector in zip(example.texts[1:], prediction.others, strict=True):
                self._passages.setdefault(text, _unit(vector))

    def scores(self) -> EmbedScores:
        """The scores of all that was added."""
        cosines, truths = np.array(self._cosines), np.array(self._truths)
        values = PairedValues()
        values.add(truths, cosines)
        ranking, lost = self._ranking() if self._queries else (None, ())
        similar_from = self._lowest_similar(truths)
        similar = truths >= (np.inf if similar_from is None else similar_from)
        return EmbedScores(
            num_examples=self._num_examples,
            values=values.scores() if self._cosines else None,
            decisions=self._decisions(cosines, similar),
            best_threshold=_best_threshold(cosines, similar),
            similar_from=similar_from,
            ranking=ranking,
            lost=lost,
            num_passages=len(self._passages),
        )

    def _lowest_similar(self, truths: NDArray[np.float64]) -> float | None:
        """The score from which on pairs are similar: the model's, or the lowest above the middle of these."""
        if self._similar_from is not None or not len(truths):
            return self._similar_from
        above = truths[truths > (truths.min() + truths.max()) / 2]
        return float(above.min()) if len(above) else None

    def _decisions(
        self, cosines: NDArray[np.float64], similar: NDArray[np.bool_]
    ) -> ClassificationScores | None:
        if self._threshold is None or not len(cosines):
            return None
        counts = ConfusionCounts(DECISIONS)
        counts.add(similar.astype(np.int64), (cosines >= self._threshold).astype(np.int64))
        return counts.scores()

    def _ranking(self) -> tuple[RankingScores, tuple[LostQuery, ...]]:
        texts = list(self._passages)
        queries = np.stack([query.vector for query in self._queries.values()])
        found, products = closest(queries, np.stack(list(self._passages.values())), top=_TOP)
        counts, lost = RankingCounts((1, _TOP)), []
        for numbers, row, (text, query) in zip(found.tolist(), products, self._queries.items(), strict=True):
            hits = np.array([float(texts[number] in query.wanted) for number in numbers])
            order = order_of(row, hits)
            counts.add(hits[order], missed_J=np.ones(len(query.wanted) - int(hits.sum())))
            rank = first_relevant(hits[order])
            if rank != 1:
                first, wanted = texts[numbers[order[0]]], next(iter(query.wanted))
                lost.append(LostQuery(text, query.line, first, wanted, rank))
        return counts.scores(), worst_queries(lost)


@dataclass(frozen=True, slots=True)
class _Query:
    """A text that asks, and the passages that are its own, in the order of the file."""

    line: int
    vector: NDArray[np.float32]
    wanted: dict[str, None] = field(default_factory=dict)


def _best_threshold(cosines: NDArray[np.float64], similar: NDArray[np.bool_]) -> float | None:
    """The cosine from which on calling pairs similar gives the largest F1; None where all or none are."""
    if not 0 < similar.sum() < len(similar):
        return None
    return f1_threshold(cosines, similar).value


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt(np.float32((vector.astype(np.float64) ** 2).sum()))
    return (vector / length if length else vector).astype(np.float32)
