"""What labelled texts are, in words, before hours are spent on training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from erya.tasks.classify.example import Example
from erya.tasks.classify.multi import MultiLabelTask
from erya.tasks.classify.task import ClassifyTask

_FEW = 5


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


def describe_multi(task: MultiLabelTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
    """How many labels a text has, and which labels are rare or not scored."""
    counts = np.array([task.truth(example) for example in train])
    dev_counts = np.array([task.truth(example) for example in dev])
    several = (counts.sum(axis=1) > 1).mean()
    lines = [
        f"{len(train):,} training and {len(dev):,} dev texts; {len(task.labels)} labels, "
        f"{counts.sum(axis=1).mean():.2f} a text, {several:.1%} of the texts have several"
    ]
    absent = [label for label, count in zip(task.labels, dev_counts.sum(axis=0), strict=True) if not count]
    rare = [label for label, count in zip(task.labels, counts.sum(axis=0), strict=True) if count < _FEW]
    if absent:
        lines.append(f"warning: no dev text is labelled {', '.join(absent)}: those are not scored")
    if rare:
        lines.append(f"warning: fewer than {_FEW} training texts for {', '.join(rare)}")
    return lines
