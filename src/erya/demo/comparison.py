"""Is the pre-trained model better than its twin, and by how much more than luck?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Comparison:
    """Test accuracies in [0, 1].

    Attributes:
        pretrained: of the pre-trained model, one a seed; at least two seeds.
        twin: of the same model from random weights, same seeds.
        baseline: of TF-IDF and logistic regression on the same labelled texts.
        num_test: texts scored.
    """

    pretrained: Sequence[float]
    twin: Sequence[float]
    baseline: float
    num_test: int

    @property
    def gain(self) -> float:
        """Mean accuracy of the pre-trained model less that of its twin."""
        return statistics.fmean(self.pretrained) - statistics.fmean(self.twin)

    @property
    def deviation(self) -> float:
        """The larger of the two sample standard deviations over the seeds."""
        return max(statistics.stdev(self.pretrained), statistics.stdev(self.twin))

    @property
    def verdict(self) -> str:
        """One or two honest sentences."""
        points = f"{100 * self.gain:.1f} points, {2 * 100 * self.deviation:.1f} being two standard deviations"
        seeds = f"over {len(self.pretrained)} seeds"
        if self.gain > 2 * self.deviation:
            return f"Pre-training is worth {points} {seeds}."
        return (
            f"Pre-training is not shown to help here: {points} {seeds}. A few minutes on a few million "
            "characters are little; more text and more steps are what changes this."
        )

    def rows(self) -> list[dict[str, str]]:
        """The table: a row a model."""
        return [
            _row("TF-IDF + logistic regression", [self.baseline]),
            _row("the encoder from random weights", self.twin),
            _row("the encoder, pre-trained", self.pretrained),
        ]

    def markdown(self) -> str:
        """The table and the verdict as a Markdown page."""
        rows = self.rows()
        lines = ["| " + " | ".join(rows[0]) + " |", "| --- | ---: | ---: | --- |"]
        lines += ["| " + " | ".join(row.values()) + " |" for row in rows]
        return "\n".join([f"Accuracy on {self.num_test:,} test reviews.", "", *lines, "", self.verdict, ""])


def _row(name: str, accuracies: Sequence[float]) -> dict[str, str]:
    several = len(accuracies) > 1
    return {
        "model": name,
        "accuracy, mean": f"{100 * statistics.fmean(accuracies):.1f} %",
        "std. dev.": f"{100 * statistics.stdev(accuracies):.1f}" if several else "",
        "each seed": " ".join(f"{100 * accuracy:.1f}" for accuracy in accuracies) if several else "",
    }
