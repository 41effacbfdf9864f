"""Classification as a kind of task: its files, its labels, its network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.data.annotations.annotated import Annotated
from erya.data.annotations.detection import detect_layout, read_annotated
from erya.data.records import read_records
from erya.errors import InputError
from erya.tasks.classify.describing import describe, describe_multi
from erya.tasks.classify.example import Example, read_example, require_label
from erya.tasks.classify.inputs import is_paired
from erya.tasks.classify.multi import MultiLabelTask, find_several
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.classify.sets import LabelSetsTask
from erya.tasks.classify.task import ClassifyTask, find_labels
from erya.tasks.kind import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from erya.checkpoints.directory import ModelDirectory
    from erya.models.encoder import Encoder
    from erya.models.heads.sequence import SequenceClassifier
    from erya.tasks.learner import Learner


# Between the labels of a text in an export, as `separator` says it.
EXPORTED = "|"
AnyTask = ClassifyTask | MultiLabelTask | LabelSetsTask


class ClassifyKind:
    """Classification of a text or a pair of texts: one label, any number, or one of each of several sets."""

    name: ClassVar[KindName] = "classify"
    summary = "labels for each text or pair of texts: one, any number, or one of each of several sets"
    recipe = ClassifyRecipe
    inputs = ("text", "pair")
    optional_inputs = frozenset({"pair"})
    head: ClassVar[TaskName | None] = "classify"
    needs_pooler = True

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The rows of a file with columns, or the texts of an export of doccano or Label Studio."""
        if _is_export(path):
            return (of_annotated(text, labelled=labelled) for text in read_annotated(path))
        wanted = {field: column for field, column in columns.items() if labelled or field in self.inputs}
        return (read_example(record) for record in read_records(path, columns=wanted))

    def task_for(self, recipe: ClassifyRecipe, train: Sequence[Example]) -> AnyTask:
        """The labels of the training file, of each set two or more."""
        pairs = is_paired(train)
        if not isinstance(recipe.label, str):
            sets = {name: find_labels([of_set(example, name) for example in train]) for name in recipe.label}
            return LabelSetsTask(sets, recipe.stride, pairs)
        if recipe.separator is not None:
            labels = find_several(train, recipe.separator)
            return MultiLabelTask(labels, recipe.separator, stride=recipe.stride, pairs=pairs)
        return ClassifyTask(find_labels(train), recipe.stride, pairs)

    def task_from(self, info: ModelInfo) -> AnyTask:
        """The labels of a model directory."""
        settings = info.settings
        stride, pairs = settings.get("stride"), settings.get("pairs")
        if "sets" in settings:
            sets = {name: tuple(labels) for name, labels in settings["sets"].items()}
            return LabelSetsTask(sets, stride, pairs)
        if settings.get("multi_label"):
            thresholds = tuple(settings.get("thresholds", ()))
            separator = settings.get("separator", "|")
            return MultiLabelTask(info.labels or (), separator, thresholds, stride, pairs)
        return ClassifyTask(info.labels or (), stride, pairs)

    def check(self, task: AnyTask, dev: Sequence[Example]) -> None:
        """Every label of the dev file stands in the training file."""
        for example in dev:
            if isinstance(task, ClassifyTask):
                task.index(require_label(example), where=example.where)
            elif isinstance(task, MultiLabelTask):
                task.truth(example)
            else:
                task.check(example)

    def describe(self, task: AnyTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
        """The label spread, and warnings about what makes a score meaningless."""
        if isinstance(task, ClassifyTask):
            return describe(task, train, dev)
        if isinstance(task, MultiLabelTask):
            return describe_multi(task, train, dev)
        lines = []
        for name, part in task.tasks.items():
            of_train, of_dev = ([of_set(each, name) for each in examples] for examples in (train, dev))
            lines += [f"{name}: {line}" for line in describe(part, of_train, of_dev)]
        return lines

    def new_learner(
        self, encoder: Encoder, task: AnyTask, recipe: ClassifyRecipe, train: Sequence[Example]
    ) -> Learner:
        """A fresh classifier on `encoder`."""
        from erya.models.heads.sequence import SequenceClassifier
        from erya.tasks.classify.loss import balanced_weights
        from erya.tasks.opening import initialise_head

        network = SequenceClassifier(encoder, len(task.labels), dropout_prob=recipe.classifier_dropout_prob)
        initialise_head(network.classifier, encoder.config, seed=recipe.train.seed)
        weights = None
        if recipe.class_weights == "balanced":
            weights = balanced_weights(task.labels, [example.label or "" for example in train])
        return _learner(network, task, class_weights=weights, focal_gamma=recipe.focal_gamma)

    def open_learner(self, model: ModelDirectory, task: AnyTask) -> Learner:
        """The classifier of a fine-tuned directory."""
        from erya.checkpoints.directory import load_with_head
        from erya.models.heads.sequence import SequenceClassifier

        network = load_with_head(model, "classify")
        assert isinstance(network, SequenceClassifier)
        return _learner(network, task)


def _learner(
    network: SequenceClassifier,
    task: AnyTask,
    *,
    class_weights: Tensor | None = None,
    focal_gamma: float = 0.0,
) -> Learner:
    """The network with the losses of its kind of labels."""
    from erya.tasks.classify.head import ClassifyLearner, MultiLabelLearner, SetsLearner

    if isinstance(task, LabelSetsTask):
        return SetsLearner(network, sizes={name: len(labels) for name, labels in task.sets.items()})
    if isinstance(task, MultiLabelTask):
        return MultiLabelLearner(network)
    return ClassifyLearner(network, class_weights=class_weights, focal_gamma=focal_gamma)


def _is_export(path: Path) -> bool:
    """Whether a file is what an annotation tool wrote; of a broken one `read_records` says what is wrong."""
    try:
        return detect_layout(path) in ("doccano", "label_studio")
    except InputError:
        return False


def of_annotated(text: Annotated, *, labelled: bool) -> Example:
    """A text that was annotated, its labels in a row.

    Raises:
        InputError: it has no label, and one is wanted.
    """
    if labelled and text.labels is None:
        raise InputError("nobody gave the text a label", where=text.where)
    label = EXPORTED.join(text.labels or ()) if labelled else None
    return Example(text.text, None, label, text.where, text.line)


def of_set(example: Example, name: str) -> Example:
    """An example with its label of one set."""
    return replace(example, label=(example.sets or {}).get(name))


if TYPE_CHECKING:
    _: Kind[ClassifyRecipe, AnyTask, Example] = ClassifyKind()
