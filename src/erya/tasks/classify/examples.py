"""Labelled texts from files, and what to know about them before hours are spent on training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from erya.data.records import read_records
from erya.tasks.classify.task import ClassifyTask, Example, find_labels, read_example

_FEW = 5


def read_examples(path: Path, *, columns: Mapping[str, str]) -> list[Example]:
    """Read a whole file.

    Args:
        path: .tsv, .csv or .jsonl, perhaps compressed.
        columns: for `text`, and where wanted `pair` and `label`, the column it stands in.
    Raises:
        InputError: the file or a row cannot be used; says where.
    """
    return [read_example(record) for record in read_records(path, columns=columns)]


def read_split(
    train_file: Path, dev_file: Path, *, columns: Mapping[str, str]
) -> tuple[ClassifyTask, list[Example], list[Example]]:
    """Read both files; the training file says which labels there are.

    Raises:
        InputError: a file or a row cannot be used, all training texts have one label, or the dev file has a
            label that the training file lacks (with its line).
    """
    train = read_examples(train_file, columns=columns)
    task = ClassifyTask(find_labels(train))
    dev = read_examples(dev_file, columns=columns)
    for example in dev:
        task.index(example.label or "", where=example.where)
    return task, train, dev


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
