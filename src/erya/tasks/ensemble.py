"""Several fine-tuned models that answer as one: a directory that lists its members, and their mean.

A directory with `ensemble.json` is opened wherever a model directory is asked for predictions.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from erya.checkpoints.configuration import read_configuration
from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.data.batches import PackedBatch
from erya.errors import ConfigError
from erya.files import atomic_directory, to_json
from erya.nn.losses import LossTerm
from erya.nn.packing import PackedTensors
from erya.tasks.learner import Learner
from erya.tasks.members import ENSEMBLE_FILE, FORMAT_VERSION
from erya.tokenizer.opening import open_tokenizer

Averaged = Literal["rows", "numbers", "logits"]

# What gives no answers that could be averaged, and what to do instead.
_APART: Mapping[KindName | TaskName | None, str] = {
    "embed": "vectors of models that were trained apart have nothing in common: use the best model alone",
    None: "fine-tune them first",
}
# Heads whose logits are no scores yet, and why their mean is nothing.
_HEADS_APART = {
    "crf": "a chain of tags (head: crf) scores whole paths by transitions of its own, which a mean of single "
    "tags would lose",
    "span_pairs": "scores of pairs of places (head: span_pairs) are products of vectors, and the product of "
    "two means is not the mean of the products",
}


class EnsembleLearner(nn.Module):
    """The mean of several learners of one task; `erya.tasks.learner.Learner` says what each part is for.

    Args:
        members: two or more, with the same labels and tokenizer.
        averaged: what is averaged: `rows`, the distribution each row of logits is; `numbers`, the probability
            each logit is; `logits` themselves, as with spans.
    Source: Lakshminarayanan et al. 2017, Simple and Scalable Predictive Uncertainty Estimation using Deep
        Ensembles, section 2.4.
    """

    def __init__(self, members: Sequence[Learner], *, averaged: Averaged) -> None:
        super().__init__()
        self._members, self._averaged = list(members), averaged
        self.modules_of_members = nn.ModuleList(member for member in members if isinstance(member, nn.Module))
        assert len(self.modules_of_members) == len(members) >= 2

    @property
    def network(self) -> nn.Module:
        """The first member's; the limits of all are the same."""
        return self._members[0].network

    def forward(self, batch: PackedTensors) -> Sequence[LossTerm]:
        """The loss terms of the mean."""
        return self.losses(self.logits(batch), batch)

    def logits(self, batch: PackedTensors) -> Tensor:
        """Logits of the mean, of the shape the members' logits have."""
        each = torch.stack([member.logits(batch).float() for member in self._members])
        if self._averaged == "rows" and each.shape[-1] > 1:
            return functional.log_softmax(each, dim=-1).logsumexp(dim=0) - math.log(len(each))
        if self._averaged == "numbers":
            return torch.logit(each.sigmoid().mean(dim=0), eps=1e-7)
        return each.mean(dim=0)

    def losses(self, logits: Tensor, batch: PackedTensors) -> Sequence[LossTerm]:
        """The loss terms of a batch with targets."""
        return self._members[0].losses(logits, batch)

    def log_probs(self, logits: Tensor, batch: PackedTensors) -> Tensor | None:
        """As the members have it."""
        return self._members[0].log_probs(logits, batch)

    def counts(self, batch: PackedBatch) -> Mapping[str, int]:
        """As the members have it."""
        return self._members[0].counts(batch)

    def outputs(self, logits: Tensor, batch: PackedTensors) -> list[NDArray[Any]]:
        """What the task's `decode` takes."""
        return self._members[0].outputs(logits, batch)


def together(learners: Sequence[Learner], info: ModelInfo) -> Learner:
    """One learner: the only one, or the mean of several.

    Args:
        learners: at least one.
        info: what their directories say of themselves.
    """
    if len(learners) == 1:
        return learners[0]
    ensemble: Learner = EnsembleLearner(learners, averaged=_averaged(info))
    return ensemble


def _averaged(info: ModelInfo) -> Averaged:
    """What of a task's logits can be averaged."""
    kind, settings = info.kind or info.task, info.settings
    if settings.get("multi_label"):
        return "numbers"
    rows = {
        "classify": "sets" not in settings,
        "match": True,
        "tag": settings.get("head", "linear") == "linear",
    }
    return "rows" if rows.get(str(kind), False) else "logits"


def info_of(members: Sequence[ModelInfo]) -> ModelInfo:
    """What an ensemble is: the first member, but for numbers that each found on its own dev examples, such as
    thresholds, which are averaged."""
    names = members[0].settings
    settings = {name: _mean([info.settings.get(name) for info in members]) for name in names}
    return members[0].model_copy(update={"settings": settings})


def _mean(values: Sequence[Any]) -> Any:
    """The mean of fractions, or of lists of them place by place; the first of anything else."""
    if all(isinstance(value, float) for value in values):
        return math.fsum(values) / len(values)  # exact, whatever the order
    lists = [value for value in values if isinstance(value, list)]
    if len(lists) == len(values) and len({len(value) for value in lists}) == 1:
        return [_mean(place) for place in zip(*lists, strict=True)]
    return values[0]


def write_ensemble(directory: Path, models: Sequence[Path], *, replace: bool = False) -> None:
    """Make a directory that answers with the mean of `models`, which are copied into it.

    Args:
        directory: to be made.
        models: two model directories or more, of one kind, with the same labels and vocabulary.
        replace: whether an existing directory of that name may be replaced.
    Raises:
        CheckpointError: a directory is no model.
        ConfigError: they are fewer than two, or do not go together.
        StorageError: `directory` exists and may not be replaced, or the disk refuses.
    """
    kind = _require_alike(models)
    names = [f"member-{number}" for number in range(len(models))]
    with atomic_directory(directory, replace=replace) as aside:
        for name, model in zip(names, models, strict=True):
            shutil.copytree(model, aside / name)
        listed = {"format_version": FORMAT_VERSION, "kind": kind, "members": names}
        (aside / ENSEMBLE_FILE).write_text(to_json(listed, indent=2) + "\n", encoding="utf-8")


def _require_alike(models: Sequence[Path]) -> str:
    """Check that models may be averaged; what they are for."""
    if len(models) < 2:
        raise ConfigError(f"an ensemble has two members or more, there is {len(models)}")
    first, others = models[0], models[1:]
    info = read_configuration(first)[2]
    if (kind := info.kind or info.task) in _APART:
        raise ConfigError(
            f"models for {kind or 'no task'} cannot be averaged", where=str(first), hint=_APART[kind]
        )
    if (why := _HEADS_APART.get(info.settings.get("head", ""))) is not None:
        raise ConfigError(
            f"these taggers cannot be averaged: {why}",
            where=str(first),
            hint="fine-tune the members with head=linear, or use the best one alone",
        )
    known = _known_by(first, info)
    for model in others:
        told = read_configuration(model)[2]
        other = _known_by(model, told)
        differing = [name for name, value in known.items() if other[name] != value]
        if {info.settings.get("pairs"), told.settings.get("pairs")} == {True, False}:
            differing.append("single texts and pairs")
        if differing:
            raise ConfigError(
                f"these do not go together: {', '.join(differing)} differ", where=f"{first} and {model}"
            )
    return str(kind)


def _known_by(model: Path, info: ModelInfo) -> dict[str, Any]:
    """What members must have in common."""
    return {"task": info.kind or info.task, "labels": info.labels, "vocabulary": open_tokenizer(model).hash}
