"""Classification as a kind of task: its files, its labels, its network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.data.records import read_records
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.classify.task import ClassifyTask, Example, find_labels, read_example
from erya.tasks.kind import Kind

if TYPE_CHECKING:
    from erya.checkpoints.directory import ModelDirectory
    from erya.models.encoder import Encoder
    from erya.tasks.classify.head import ClassifyLearner

_FEW = 5


class ClassifyKind:
    """Single-label classification of a text or a pair of texts, two classes or more."""

    name: ClassVar[KindName] = "classify"
    summary = "one label of several for each text or pair of texts"
    recipe = ClassifyRecipe
    inputs = ("text", "pair")
    optional_inputs = frozenset({"pair"})
    head: ClassVar[TaskName | None] = "classify"
    needs_pooler = True

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The rows of a .tsv, .csv or .jsonl file, perhaps compressed."""
        wanted = {field: column for field, column in columns.items() if labelled or field != "label"}
        return (read_example(record) for record in read_records(path, columns=wanted))

    def task_for(self, recipe: ClassifyRecipe, train: Sequence[Example]) -> ClassifyTask:
        """The labels of the training file, of which there are two or more."""
        return ClassifyTask(find_labels(train))

    def task_from(self, info: ModelInfo) -> ClassifyTask:
        """The labels of a model directory."""
        return ClassifyTask(info.labels or ())

    def check(self, task: ClassifyTask, dev: Sequence[Example]) -> None:
        """Every label of the dev file stands in the training file."""
        for example in dev:
            task.index(example.label or "", where=example.where)

    def describe(self, task: ClassifyTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
        """The label spread, and warnings about what makes a score meaningless."""
        return describe(task, train, dev)

    def new_learner(
        self, encoder: Encoder, task: ClassifyTask, recipe: ClassifyRecipe, train: Sequence[Example]
    ) -> ClassifyLearner:
        """A fresh classifier on `encoder`."""
        from erya.models.heads.sequence import SequenceClassifier
        from erya.tasks.classify.head import ClassifyLearner
        from erya.tasks.classify.loss import balanced_weights
        from erya.tasks.opening import initialise_head

        network = SequenceClassifier(encoder, len(task.labels), dropout_prob=recipe.classifier_dropout_prob)
        initialise_head(network.classifier, encoder.config, seed=recipe.train.seed)
        weights = None
        if recipe.class_weights == "balanced":
            weights = balanced_weights(task.labels, [example.label or "" for example in train])
        return ClassifyLearner(network, class_weights=weights, focal_gamma=recipe.focal_gamma)

    def open_learner(self, model: ModelDirectory, task: ClassifyTask) -> ClassifyLearner:
        """The classifier of a fine-tuned directory."""
        from erya.checkpoints.directory import load_with_head
        from erya.models.heads.sequence import SequenceClassifier
        from erya.tasks.classify.head import ClassifyLearner

        network = load_with_head(model, "classify")
        assert isinstance(network, SequenceClassifier)
        return ClassifyLearner(network)


def describe(task: ClassifyTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
    """The label spread, and warnings about what makes a score meaningless."""
    train_counts = Counter(example.label for example in train)
    dev_counts = Counter(example.label for example in dev)
    spread = ", ".join(f"{label} {train_counts[label]:,}+{dev_counts[label]:,}" for label in task.labels)
    lines = [f"{len(train):,} training and {len(dev):,} dev texts; by label: {spread}"]
    absent = [label for label in task.labels if not dev_counts[label]]
    if absent:
        lines.append(f"warning: no dev text is labelled {', '.join(absent)}: those classes are not scored")
    rare = [label for label in task.labels if train_counts[label] < _FEW]
    if rare:
        lines.append(f"warning: fewer than {_FEW} training texts for {', '.join(rare)}")
    most, least = max(train_counts.values()), min(train_counts.values())
    if most > 10 * least:
        lines.append(
            f"note: the largest class is {most // least} times the smallest; class_weights=balanced and "
            "train.monitor.key=eval_macro_f1 care for the small ones"
        )
    return lines + _overlap(train, dev)


def _overlap(train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
    """Texts that stand in both files, and texts with two labels."""
    labels: dict[tuple[str, str | None], set[str | None]] = {}
    for example in train:
        labels.setdefault((example.text, example.pair), set()).add(example.label)
    seen = sum((example.text, example.pair) in labels for example in dev)
    torn = sum(len(given) > 1 for given in labels.values())
    lines = []
    if seen:
        lines.append(f"warning: {seen:,} dev texts ({seen / len(dev):.1%}) stand in the training file too")
    if torn:
        lines.append(f"warning: {torn:,} training texts occur with more than one label")
    return lines


if TYPE_CHECKING:
    _: Kind[ClassifyRecipe, ClassifyTask, Example] = ClassifyKind()
