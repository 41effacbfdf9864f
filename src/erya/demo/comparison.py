"""Is the bundled model better than what one has without it, and by how much more than luck?

S seeds, T test texts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Whether each run has each test text right, shape (S, T), a row a seed; one row where there is no seed.
Right = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Which test texts each model has right.

    Attributes:
        model: name of the pre-trained model.
        pretrained: of that model.
        adapted: of that model after it has gone on with the raw text.
        twin: of the same encoder from random weights.
        baseline: of TF-IDF and logistic regression on the same labelled texts.
    """

    model: str
    pretrained: Right
    adapted: Right
    twin: Right
    baseline: Right

    @property
    def num_test(self) -> int:
        """T."""
        return int(self.baseline.shape[1])

    @property
    def verdict(self) -> str:
        """Honest sentences."""
        return "\n".join(
            (
                _claim(f"{self.model} is", self.pretrained, "TF-IDF", self.baseline),
                _claim(f"{self.model} is", self.pretrained, "random weights", self.twin),
                _claim("Adapted to the raw text it is", self.adapted, "itself before", self.pretrained),
                _claim("Adapted it is", self.adapted, "TF-IDF", self.baseline),
            )
        )

    def rows(self) -> list[dict[str, str]]:
        """The table: a row a model."""
        return [
            _row("TF-IDF + logistic regression", self.baseline),
            _row("the encoder from random weights", self.twin),
            _row(self.model, self.pretrained),
            _row(f"{self.model}, adapted to the raw text", self.adapted),
        ]

    def markdown(self) -> str:
        """The table and the verdict as a Markdown page."""
        rows = self.rows()
        lines = ["| " + " | ".join(rows[0]) + " |", "| --- | ---: | ---: | --- |"]
        lines += ["| " + " | ".join(row.values()) + " |" for row in rows]
        verdict = self.verdict.replace("\n", "\n\n")
        return "\n".join([f"Accuracy on {self.num_test:,} test reviews.", "", *lines, "", verdict, ""])


def _claim(what: str, better: Right, other: str, worse: Right) -> str:
    """Whether two models differ by more than two standard errors, of the test texts and of the seeds."""
    gain = 100 * (better.mean() - worse.mean())
    error = 100 * standard_error(better, worse)
    figures = f"{abs(gain):.1f} points {'above' if gain >= 0 else 'below'} {other}"
    doubt = "" if abs(gain) > 2 * error else ": not shown to differ"
    return f"{what} {figures} (standard error {error:.1f}){doubt}."


def standard_error(first: Right, second: Right) -> float:
    """Of the difference of two mean accuracies: other texts of the kind, paired, and other seeds."""
    apart = first.mean(axis=0) - second.mean(axis=0)
    texts = apart.var(ddof=1) / len(apart)
    seeds = sum(_between_seeds(runs) / len(runs) for runs in (first, second) if len(runs) > 1)
    return float(np.sqrt(texts + seeds))


def _between_seeds(runs: Right) -> float:
    """Variance of a run's accuracy on endlessly many texts: of the means, less what T texts add to it."""
    means = runs.mean(axis=1)
    rest = runs - means[:, np.newaxis] - runs.mean(axis=0) + runs.mean()
    noise = (rest**2).sum() / ((runs.shape[0] - 1) * (runs.shape[1] - 1))
    return max(float(means.var(ddof=1) - noise / runs.shape[1]), 0.0)


def _row(name: str, right: Right) -> dict[str, str]:
    accuracies = 100 * right.mean(axis=1)
    several = len(accuracies) > 1
    return {
        "model": name,
        "accuracy, mean": f"{accuracies.mean():.1f} %",
        "std. dev.": f"{accuracies.std(ddof=1):.1f}" if several else "",
        "each seed": " ".join(f"{accuracy:.1f}" for accuracy in accuracies) if several else "",
    }
