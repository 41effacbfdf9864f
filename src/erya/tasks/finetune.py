"""A fine-tuning run for any kind of task: two files and a model directory in, a model directory out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from erya import __version__
from erya.bundled import located
from erya.checkpoints.huggingface import CONFIG_FILE
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.checkpoints.weights import find_weights
from erya.errors import StorageError
from erya.files import exclusive, sha256_of
from erya.metrics.classification import ClassificationScores
from erya.runtime import pick_device
from erya.tasks.batches import ExampleBatches
from erya.tasks.craft.applying import made_plain
from erya.tasks.craft.cached import StatesCache
from erya.tasks.devset import DevSet
from erya.tasks.preparation import Prepared, prepare
from erya.tasks.recipe import FinetuneRecipe, FinetuneTraining, require_watched
from erya.tasks.task import Task
from erya.tasks.texts import EncodingReport
from erya.tasks.trainable import TaskTrainable
from erya.tasks.usual_rate import with_usual_rate
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.train.directory import MODEL_DIRECTORY
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, Tell
from erya.train.ranks import environment_ranks

_STATES = "states"  # in a run directory: what a frozen encoder says of the texts
SEEDS_FILE = "seeds.json"  # in a directory that holds runs of several seeds
FOLDS_FILE = "folds.json"  # in one that holds a run for each part of a file that is held out
# Files may lie elsewhere when a run is resumed; that they are the same ones is known by their fingerprints.
_CHANGEABLE = ("eval_batch_tokens", "evals_per_epoch", "model", "train_file", "dev_file")


@dataclass(frozen=True, slots=True)
class FineTuned:
    """What a run left behind.

    Attributes:
        model: the model directory; None when the run was interrupted.
        labels: the classes; None where the task has none.
        result: how training ended; `result.state.best_metrics` are the scores of the saved weights.
        train_report: what encoding did to the training texts.
        dev_report: what encoding did to the dev texts.
    """

    model: Path | None
    labels: tuple[str, ...] | None
    result: TrainResult
    train_report: EncodingReport
    dev_report: EncodingReport


def finetune(
    recipe: FinetuneRecipe,
    directory: Path,
    *,
    callbacks: Sequence[Callback] = (),
    tell: Tell,
    resume: bool = True,
) -> FineTuned:
    """Fine-tune a model, or go on with the run in `directory`.

    Args:
        recipe: what to do.
        directory: the run directory; the best weights end up in `directory/model`.
        callbacks: told what happens during training.
        tell: is given sentences a user should read: label spread, truncation, what starts at random; on every
            rank.
        resume: go on with the run in `directory`; False sets it aside and starts over.
    Raises:
        InputError: a file, a row or a label cannot be used, or texts are too long and may not be cut.
        CheckpointError: the model directory cannot be used.
        ConfigError: the recipe makes no sense, or is not that of the run in `directory`.
        StorageError: the disk refuses, another process trains in `directory`, or it holds runs of several
            seeds.
    """
    require_no_others(directory)
    recipe = with_usual_rate(recipe, run=directory if resume else None, tell=tell)
    prepared = prepare(recipe, tell)
    if recipe.craft.cached_states is not None:
        prepared = _with_states(recipe, prepared, directory)
    trainable = TaskTrainable(prepared.learner, whole_batches=recipe.whole_batches)
    dev = DevSet(
        trainable,
        prepared.task,
        prepared.dev_examples,
        prepared.dev,
        batch_tokens=recipe.eval_batch_tokens,
    )
    source = ExampleBatches(
        prepared.train.features,
        batch_size=recipe.batch_size,
        batch_tokens=recipe.train.batch_tokens,
        seed=recipe.train.seed,
    )
    monitor = recipe.train.monitor
    require_watched(monitor.key, names_of(dev, prepared), where=recipe.dev_file, monitor=type(monitor))
    result = train(
        trainable,
        source,
        recipe=_with_evaluations(recipe, source.num_batches(0)),
        run_recipe=recipe,
        directory=directory,
        fingerprints=fingerprints_of(recipe, prepared.tokenizer),
        changeable=_CHANGEABLE,
        evaluate=dev,
        callbacks=callbacks,
        resume=resume,
    )
    if not result.interrupted:
        if environment_ranks().is_first:
            with exclusive(directory):
                save_finetuned(
                    recipe, directory / MODEL_DIRECTORY, prepared, result, task=calibrated(prepared, dev)
                )
        _warn_if_stuck(dev, tell)
    model = None if result.interrupted else directory / MODEL_DIRECTORY
    return FineTuned(model, prepared.task.labels, result, prepared.train.report, prepared.dev.report)


def _with_states(recipe: FinetuneRecipe, prepared: Prepared, directory: Path) -> Prepared:
    """The same with what the frozen encoder says of every text, from files in the run directory."""
    assert recipe.craft.cached_states is not None and isinstance(prepared.learner, nn.Module)
    prepared.learner.to(pick_device(recipe.train.device))
    cache = StatesCache(
        directory / _STATES,
        prepared.learner,
        number_format=recipe.craft.cached_states,
        precision=recipe.train.precision,
        batch_tokens=recipe.eval_batch_tokens,
    )
    train, dev = (
        replace(part, features=cache.with_states(part.features)) for part in (prepared.train, prepared.dev)
    )
    return replace(prepared, train=train, dev=dev)


def require_no_others(directory: Path, *, file: str | None = None) -> None:
    """Refuse a directory that holds several runs, the model of which would be overwritten.

    Args:
        directory: the run directory.
        file: one of `SEEDS_FILE` and `FOLDS_FILE` that may be there.
    Raises:
        StorageError: it holds such runs.
    """
    for name, runs, option in (
        (SEEDS_FILE, "runs of several seeds, the best model of which", "--seeds"),
        (FOLDS_FILE, "the runs of a cross-validation, the model of which", "--folds"),
    ):
        if name != file and (directory / name).exists():
            raise StorageError(
                f"the directory holds {runs} would be overwritten",
                where=str(directory),
                hint=f"go on with them by {option}, or choose another --out",
            )


def _with_evaluations(recipe: FinetuneRecipe, batches_per_epoch: int) -> FinetuneTraining:
    """The training part with `evals_per_epoch` turned into steps."""
    if recipe.train.eval_every_steps is not None:
        return recipe.train
    every = max(-(-batches_per_epoch // recipe.evals_per_epoch), 1)
    return recipe.train.model_copy(update={"eval_every_steps": every})


def fingerprints_of(recipe: FinetuneRecipe, tokenizer: AnyTokenizer) -> dict[str, str]:
    """What must not change under a run that is resumed."""
    prints = {
        "training file": sha256_of(Path(recipe.train_file)),
        "dev file": sha256_of(Path(recipe.dev_file)),
        "vocabulary": tokenizer.hash,
        "configuration to start from": sha256_of(located(Path(recipe.model)) / CONFIG_FILE),
    }
    if not recipe.random_init:
        files = find_weights(Path(recipe.model)).paths
        prints["model to start from"] = " ".join(sha256_of(path) for path in files)
    return prints


@torch.no_grad()  # not inference_mode: what a module keeps of this is used in training, too
def names_of(dev: DevSet, prepared: Prepared) -> tuple[str, ...]:
    """The names of the scores that a look at the dev file will give; empty where there is no saying.

    Args:
        dev: the dev file.
        prepared: its network, in training mode before and after.
    """
    learner = prepared.learner
    assert isinstance(learner, nn.Module)
    learner.eval()
    names = dev.names()
    learner.train()
    return names


@torch.inference_mode()
def calibrated(prepared: Prepared, dev: DevSet) -> Task[Any, Any]:
    """The task with its thresholds, from the weights that are saved."""
    prepared.learner.network.eval()
    return dev.calibrated()


def save_finetuned(
    recipe: FinetuneRecipe, directory: Path, prepared: Prepared, result: TrainResult, *, task: Task[Any, Any]
) -> None:
    """Write the model directory of a run that has ended.

    Args:
        recipe: what was done.
        directory: the model directory; one that is there is replaced.
        prepared: its network has the weights to be saved.
        result: how training ended.
        task: with what was found on the dev examples.
    Raises:
        StorageError: the disk refuses.
    """
    kind = prepared.kind
    info = ModelInfo(
        task=kind.head,
        kind=None if kind.name == kind.head else kind.name,
        labels=task.labels,
        max_length=prepared.max_length,
        tokenizer_mode=prepared.tokenizer.mode,
        classifier_dropout_prob=recipe.classifier_dropout_prob,
        settings=task.settings,
        provenance=_provenance(recipe, prepared, result),
    )
    save_model(
        directory,
        module=made_plain(prepared.learner.network),
        tokenizer=prepared.tokenizer,
        info=info,
        replace=True,
    )


def _provenance(recipe: FinetuneRecipe, prepared: Prepared, result: TrainResult) -> dict[str, Any]:
    state = result.state
    return {
        "erya": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "started_from": "random weights" if recipe.random_init else recipe.model,
        "sizes_from": recipe.model,
        "columns": dict(recipe.columns),
        "train_file": {"path": recipe.train_file, "sha256": sha256_of(Path(recipe.train_file))},
        "train_texts": _short(prepared.train.report),
        "dev_file": {"path": recipe.dev_file, "sha256": sha256_of(Path(recipe.dev_file))},
        "dev_texts": _short(prepared.dev.report),
        "seed": recipe.train.seed,
        "steps": state.step,
        "best_step": state.best_step,
        "dev_scores": dict(state.best_metrics),
    }


def _short(report: EncodingReport) -> Mapping[str, Any]:
    counts = report.to_dict()
    return {key: counts[key] for key in ("texts", "truncated_texts", "truncated_share", "unknown_share")}


def _warn_if_stuck(dev: DevSet, tell: Tell) -> None:
    """Say in plain words what a model that always gives the same answer usually means."""
    answer = dev.scores.only_answer if isinstance(dev.scores, ClassificationScores) else None
    if answer is not None:
        tell(
            f"warning: at the last look the model answered {answer!r} for every dev text: it has learnt "
            "nothing yet. Usual causes: learning rate too high (try a third of train.learning_rate), too few "
            "steps, one class far larger than the rest (class_weights=balanced), a wrong label column"
        )
