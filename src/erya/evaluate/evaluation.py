"""What an evaluation found, computed once from what was gathered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from erya.evaluate.adapters.adapter import class_table
from erya.evaluate.cost import Cost
from erya.evaluate.curves import CalibrationFound, calibration_of
from erya.evaluate.estimates import (
    Estimate,
    Part,
    estimate_all,
    parts_by_length,
    parts_by_script,
    parts_by_seen,
    parts_by_source,
)
from erya.evaluate.label_errors import (
    LabelErrors,
    MultiLabelErrors,
    find_label_errors,
    find_multi_label_errors,
)
from erya.evaluate.ledger import Ledger
from erya.evaluate.outcome import Outcome
from erya.evaluate.rankings import TITLES, estimate_ranking, lost_of, num_unanswerable, ranking_of
from erya.evaluate.reading import DataFile
from erya.metrics.lost_queries import LostQuery
from erya.metrics.ranking import RankingScores
from erya.tasks.task import Scores
from erya.tasks.texts import EncodingReport

_FEWEST_FOR_ERRORS = 20


@dataclass(frozen=True)
class Evaluation:
    """What was measured, on what, when.

    Attributes:
        model: the model directory.
        kind: of the task.
        file: the data file, how it is read, and the training file it was compared with.
        data_sha256: of its bytes.
        when: local date and time of the start, ISO 8601.
        version: of Erya.
        scores: the task's own, against the file's truths.
        ledger: what was gathered of each example.
        encoding: what encoding did to the texts.
        cost: what answering took.
        max_length: longest input in tokens.
        provenance: what the model directory says of its training.
    """

    model: Path
    kind: str
    file: DataFile
    data_sha256: str
    when: str
    version: str
    scores: Any
    ledger: Ledger
    encoding: EncodingReport
    cost: Cost
    max_length: int
    provenance: Mapping[str, Any]

    @property
    def name(self) -> str:
        """What to call the model: most are named `model`, so the run's name goes before it."""
        path = self.model.resolve()
        return f"{path.parent.name}/{path.name}"

    @property
    def data(self) -> Path:
        """The data file."""
        return self.file.path

    @property
    def train(self) -> Path | None:
        """The training file whose texts were scored apart, or None."""
        return self.file.train.path if self.file.train is not None else None

    @property
    def mistakes(self) -> tuple[Outcome, ...]:
        """The worst mistakes, the worst first."""
        return self.ledger.worst()

    @property
    def lost(self) -> tuple[LostQuery, ...]:
        """The queries whose first candidate is not relevant, the worst first."""
        return lost_of(self.scores)

    @property
    def ranking(self) -> RankingScores | None:
        """The task's own scores of queries; None where there are none."""
        return ranking_of(self.scores)

    @property
    def num_examples(self) -> int:
        """How many examples were scored."""
        return len(self.ledger)

    @cached_property
    def estimates(self) -> tuple[Estimate, ...]:
        """The measures with their intervals: of the examples, then of rankings, whose unit is the query."""
        return (*estimate_all(self.ledger), *estimate_ranking(self.scores))

    @cached_property
    def parts(self) -> dict[str, list[Part]]:
        """The measures of parts of the file, by what divides it."""
        found = {
            "length": parts_by_length(self.ledger),
            "script": parts_by_script(self.ledger),
            "source": parts_by_source(self.ledger),
            "training": parts_by_seen(self.ledger) if self.train is not None else [],
        }
        return {name: parts for name, parts in found.items() if parts}

    @cached_property
    def calibration(self) -> CalibrationFound | None:
        """Whether the probabilities mean what they say; None where there are none."""
        return calibration_of(self.ledger)

    @cached_property
    def label_errors(self) -> LabelErrors | MultiLabelErrors | None:
        """Which of the file's labels are doubtful; None where the task has no classes or examples are few."""
        rows, truths, _ = self.ledger.distributions()
        if len(rows) < _FEWEST_FOR_ERRORS:
            return None
        if not self.ledger.adapter.cells:  # several labels may be true
            return find_multi_label_errors(rows, truths)
        return find_label_errors(rows, truths.argmax(axis=1))

    @property
    def other_numbers(self) -> list[tuple[str, float]]:
        """The task's numbers that are not among the measures; eight at most."""
        known = {one.name for one in self.estimates} | TITLES.keys()  # a ranking is a measure, or is nothing
        numbers = self.scores.numbers()
        return [(name.replace("_", " "), value) for name, value in numbers.items() if name not in known][:8]

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before believing the scores."""
        warnings = [*self._warnings_of_classes(), *self._warnings_of_texts()]
        unanswerable = num_unanswerable(self.scores)
        if unanswerable and self.ranking is None:
            warnings.append(
                f"None of the {unanswerable:,} queries has a relevant candidate: no order is scored."
            )
        return warnings

    def _warnings_of_classes(self) -> list[str]:
        warnings = []
        rows = class_table(self.ledger.adapter, self.ledger.counts.sums())
        absent = [row["label"] for row in rows if not row["support"]]
        if absent:
            shown = ", ".join(absent[:10]) + (f" and {len(absent) - 10} more" if len(absent) > 10 else "")
            warnings.append(f"The truth of this file never says {shown}: not scored.")
        given = [row["label"] for row in rows if row["predicted"]]
        if self.ledger.adapter.cells and len(given) == 1 and sum(row["support"] > 0 for row in rows) > 1:
            said = f"The model answers {given[0]} and nothing else"
            warnings.append(f"{said}: it has not learnt to tell them apart.")
        return warnings

    def _warnings_of_texts(self) -> list[str]:
        warnings, encoding = [], self.encoding
        if encoding.truncated_texts:
            share = encoding.truncated_share
            warnings.append(f"{share:.1%} of the texts were truncated to {self.max_length} tokens.")
        if encoding.has_many_unknown:
            warnings.append(f"{encoding.unknown_share:.1%} of the tokens are unknown to the vocabulary.")
        seen = int((self.ledger.seen > 0).sum())
        if seen:
            items = f"{seen:,} of {self.num_examples:,} {self.ledger.adapter.words.item}"
            warnings.append(f"{items} stand in the training file too: believe the scores of the others.")
        return warnings

    def to_dict(self) -> dict[str, Any]:
        """The evaluation as plain JSON values, without texts."""
        scores: Scores = self.scores
        return {
            "model": str(self.model),
            "task": self.kind,
            "data": str(self.data),
            "data_sha256": self.data_sha256,
            "train": None if self.train is None else str(self.train),
            "when": self.when,
            "erya": self.version,
            "max_length": self.max_length,
            "seconds": round(self.cost.seconds, 3),
            **scores.to_dict(),
            "intervals": {one.name: [one.low, one.high] for one in self.estimates},
            "calibration_error": None if self.calibration is None else self.calibration.error,
            "parts": {name: [_plain(part) for part in parts] for name, parts in self.parts.items()},
            "suspected_labels": None if self.label_errors is None else self.label_errors.num_suspects,
            "encoding": self.encoding.to_dict(),
            "cost": self.cost.to_dict(),
            "warnings": self.warnings,
        }


def _plain(part: Part) -> dict[str, Any]:
    values = {one.name: {"value": one.value, "low": one.low, "high": one.high} for one in part.estimates}
    return {"name": part.name, "examples": part.size, **values}
