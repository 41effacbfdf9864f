"""Matching as a kind of task: its files, its labels, its network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.config import validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.tasks.kind import Kind
from erya.tasks.match.examples import Example, number_of, read_pairs
from erya.tasks.match.recipe import MatchRecipe, MatchSettings
from erya.tasks.match.task import MatchTask

if TYPE_CHECKING:
    from erya.checkpoints.directory import ModelDirectory
    from erya.models.encoder import Encoder
    from erya.tasks.match.head import MatchLearner


class MatchKind:
    """Pairs of texts scored by a network that reads both together."""

    name: ClassVar[KindName] = "match"
    summary = "a score for each pair of texts, or the order of candidates"
    recipe = MatchRecipe
    inputs = ("text", "pair")
    optional_inputs: frozenset[str] = frozenset()
    head: ClassVar[TaskName | None] = "classify"
    needs_pooler = True

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The rows of a file; of a file of candidates a pair for each."""
        return read_pairs(path, columns=columns, labelled=labelled)

    def task_for(self, recipe: MatchRecipe, train: Sequence[Example]) -> MatchTask:
        """The classes, or the range of the numbers, of the training file."""
        settings = {"objective": recipe.objective, "loss": recipe.loss, "ranked": recipe.ranked}
        if recipe.objective == "classify":
            return MatchTask(find_labels(train), MatchSettings(**settings))
        low, high = find_range(train, low=recipe.low, high=recipe.high)
        return MatchTask(None, MatchSettings(**settings, low=low, high=high))

    def task_from(self, info: ModelInfo) -> MatchTask:
        """The classes and settings of a model directory; one of others with one output gives that."""
        fallback = {"objective": "regress" if info.labels is None else "classify"}
        try:
            options = validate(MatchSettings, {**fallback, **info.settings}, where="erya.json, settings")
        except ConfigError as error:
            raise CheckpointError(error.what, where=error.where, hint=error.hint) from None
        return MatchTask(info.labels, options)

    def check(self, task: MatchTask, dev: Sequence[Example]) -> None:
        """Every truth of the dev file is one of the training file's classes, or a number."""
        for example in dev:
            task.truth(example)

    def describe(self, task: MatchTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
        """How many pairs there are of each class, or which numbers."""
        lines = [f"{len(train):,} training and {len(dev):,} dev pairs; {_spread(task, train, dev)}"]
        if task.options.ranked or any(example.is_candidate for example in dev):
            queries = len({example.text for example in dev})
            lines.append(f"{queries:,} dev queries, whose candidates are put in order")
        seen = {(example.text, example.pair) for example in train}
        both = sum((example.text, example.pair) in seen for example in dev)
        if both:
            lines.append(
                f"warning: {both:,} dev pairs ({both / len(dev):.1%}) stand in the training file too"
            )
        return lines

    def new_learner(
        self, encoder: Encoder, task: MatchTask, recipe: MatchRecipe, train: Sequence[Example]
    ) -> MatchLearner:
        """A fresh classifier on `encoder`; for numbers with one output."""
        from erya.models.heads.sequence import SequenceClassifier
        from erya.tasks.match.head import MatchLearner
        from erya.tasks.opening import initialise_head

        outputs = 1 if task.labels is None else len(task.labels)
        network = SequenceClassifier(encoder, outputs, dropout_prob=recipe.classifier_dropout_prob)
        initialise_head(network.classifier, encoder.config, seed=recipe.train.seed)
        return MatchLearner(network, loss=recipe.loss)

    def open_learner(self, model: ModelDirectory, task: MatchTask) -> MatchLearner:
        """The classifier of a fine-tuned directory."""
        from erya.checkpoints.directory import load_with_head
        from erya.models.heads.sequence import SequenceClassifier
        from erya.tasks.match.head import MatchLearner

        network = load_with_head(model, "classify")
        assert isinstance(network, SequenceClassifier)
        return MatchLearner(network, loss=task.options.loss)


def find_labels(examples: Sequence[Example]) -> tuple[str, ...]:
    """The classes: numbers by their value, words by code point behind them.

    Raises:
        InputError: all pairs have the same label, or labels look like measurements.
    """
    counts = Counter(example.target for example in examples if example.target is not None)
    file = examples[0].where.rpartition(", ")[0] or None if examples else None
    if len(counts) < 2:
        raise InputError(
            f"all {len(examples):,} pairs have the same label {next(iter(counts), None)!r}: there is nothing "
            "to tell apart",
            where=file,
            hint="is this the right label column?",
        )
    labels = sorted(counts, key=_by_value)
    if any(_value(label) not in (None, round(_value(label) or 0)) for label in labels):
        raise InputError(
            f"the labels are numbers with fractions ({labels[0]}, {labels[1]}, ...), not classes",
            where=file,
            hint="objective=regress learns numbers",
        )
    return tuple(labels)


def find_range(examples: Sequence[Example], *, low: float | None, high: float | None) -> tuple[float, float]:
    """The range of the numbers: what is given, and where nothing is, the least and the greatest.

    Raises:
        InputError: a target is no number or lies outside of what is given, or all are the same.
    """
    numbers = [number_of(example.target, where=example.where) for example in examples]
    least, greatest = min(numbers, default=0.0), max(numbers, default=0.0)
    found = (least if low is None else low, greatest if high is None else high)
    for example, number in zip(examples, numbers, strict=True):
        if not found[0] <= number <= found[1]:
            raise InputError(
                f"the score {number:g} lies outside of the range {found[0]:g} to {found[1]:g}",
                where=example.where,
            )
    if least == greatest:
        raise InputError(f"all {len(examples):,} pairs have the same score: there is nothing to tell apart")
    return found


def _spread(task: MatchTask, train: Sequence[Example], dev: Sequence[Example]) -> str:
    if task.labels is None:
        return f"scores from {task.options.low:g} to {task.options.high:g}"
    counts = [Counter(example.target for example in examples) for examples in (train, dev)]
    shown = ", ".join(f"{label} {counts[0][label]:,}+{counts[1][label]:,}" for label in task.labels)
    return f"by label: {shown}"


def _value(label: str) -> float | None:
    try:
        return float(label)
    except ValueError:
        return None


def _by_value(label: str) -> tuple[int, float, str]:
    value = _value(label)
    return (1, 0.0, label) if value is None else (0, value, label)


if TYPE_CHECKING:
    _: Kind[MatchRecipe, MatchTask, Example] = MatchKind()
