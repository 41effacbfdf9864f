"""A run of several tasks: their files and a model directory in, a model directory for each out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from erya.errors import ConfigError
from erya.files import exclusive
from erya.models.encoder import Encoder
from erya.tasks.batches import ExampleBatches
from erya.tasks.devset import DevSet
from erya.tasks.finetune import calibrated, fingerprints_of, names_of, save_finetuned
from erya.tasks.opening import open_start
from erya.tasks.preparation import Prepared, prepare
from erya.tasks.recipe import FinetuneRecipe, require_watched
from erya.tasks.table import KINDS
from erya.tasks.together.recipe import TogetherRecipe, TogetherTraining
from erya.tasks.together.source import DrawnBatches
from erya.tasks.together.trainable import TogetherTrainable, marked
from erya.tasks.trainable import TaskTrainable
from erya.tasks.usual_rate import with_usual_rate
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, Tell
from erya.train.ranks import environment_ranks

MODELS_DIRECTORY = "models"
# Files may lie elsewhere when a run is resumed; that they are the same ones is known by their fingerprints.
_CHANGEABLE = ("model", "evals_per_epoch")
_CHANGEABLE_OF_A_TASK = ("train_file", "dev_file", "eval_batch_tokens")


@dataclass(frozen=True, slots=True)
class TrainedTogether:
    """What a run of several tasks left behind.

    Attributes:
        models: the model directory of each task; empty when the run was interrupted.
        scores: of each task on its dev file, with the saved weights.
        result: how training ended.
    """

    models: Mapping[str, Path]
    scores: Mapping[str, Mapping[str, float]]
    result: TrainResult


def finetune_together(
    recipe: TogetherRecipe,
    directory: Path,
    *,
    callbacks: Sequence[Callback] = (),
    tell: Tell,
    resume: bool = True,
) -> TrainedTogether:
    """Fine-tune one encoder for several tasks, or go on with the run in `directory`.

    Every step is of one task, drawn in proportion to a power of its size. All tasks keep the weights of one
    step: the best by `train.monitor`.

    Args:
        recipe: what to do.
        directory: the run directory; the models end up in `directory/models/NAME`.
        callbacks: told what happens during training.
        tell: is given sentences a user should read.
        resume: go on with the run in `directory`; False sets it aside and starts over.
    Raises:
        ConfigError: the recipe makes no sense, or is not that of the run in `directory`.
        EryaError: as `finetune` does.
    """
    if not environment_ranks().is_alone:
        raise ConfigError("several tasks are trained by one process", hint="run it without torchrun")
    recipe = with_usual_rate(recipe, run=directory if resume else None, tell=tell)
    recipes = recipe.recipes()
    prepared = _prepare(recipes, tell)
    looks = _Looks(recipes, prepared)
    _require_watched(recipe, recipes, prepared, looks)
    source = _source(recipe, recipes, prepared)
    for name, share in zip(recipes, source.shares, strict=True):
        tell(f"{name}: {share:.1%} of the steps")
    result = train(
        TogetherTrainable(
            {name: each.learner for name, each in prepared.items()},
            whole_batches=next((own.whole_batches for own in recipes.values() if own.whole_batches), None),
        ),
        source,
        recipe=_with_numbers(recipe, recipes, source.num_batches(0)),
        run_recipe=recipe,
        directory=directory,
        fingerprints=_fingerprints(recipes, prepared),
        changeable=[
            *_CHANGEABLE,
            *(f"tasks.{name}.{key}" for name in recipes for key in _CHANGEABLE_OF_A_TASK),
        ],
        evaluate=looks,
        callbacks=callbacks,
        resume=resume,
    )
    models: dict[str, Path] = {}
    if not result.interrupted:
        with exclusive(directory):
            for name, own in recipes.items():
                models[name] = directory / MODELS_DIRECTORY / name
                with _plain_encoder(prepared[name]):
                    task = calibrated(prepared[name], looks.of_task[name])
                    save_finetuned(own, models[name], prepared[name], result, task=task)
    return TrainedTogether(models, split_scores(result.state.best_metrics, list(recipes)), result)


def split_scores(metrics: Mapping[str, float], names: Sequence[str]) -> dict[str, dict[str, float]]:
    """The scores of each task under their usual names, out of `eval_NAME_SCORE`."""
    found: dict[str, dict[str, float]] = {name: {} for name in names}
    for key, value in metrics.items():
        # Of names that begin alike the longest is meant.
        owners = [name for name in names if key.startswith(f"eval_{name}_")]
        if owners:
            name = max(owners, key=len)
            found[name]["eval_" + key.removeprefix(f"eval_{name}_")] = value
    return found


def _prepare(recipes: Mapping[str, FinetuneRecipe], tell: Tell) -> dict[str, Prepared]:
    """Every task read, encoded and given a head, on one encoder."""
    pooler = any(KINDS[own.kind].needs_pooler for own in recipes.values())
    start = open_start(next(iter(recipes.values())), pooler=pooler, tell=tell)
    return {name: prepare(own, _named(name, tell), start=start) for name, own in recipes.items()}


def _named(name: str, tell: Tell) -> Callable[[str], None]:
    """`tell` that says which task a sentence is about; a warning still begins with `warning`."""

    def say(text: str) -> None:
        before, mark, after = text.partition("warning: ")
        tell(f"warning: {name}: {after}" if mark and not before else f"{name}: {text}")

    return say


def _source(
    recipe: TogetherRecipe, recipes: Mapping[str, FinetuneRecipe], prepared: Mapping[str, Prepared]
) -> DrawnBatches:
    sources = [
        ExampleBatches(
            marked(prepared[name].train.features, number),
            batch_size=own.batch_size,
            batch_tokens=own.train.batch_tokens,
            seed=own.train.seed,
        )
        for number, (name, own) in enumerate(recipes.items())
    ]
    return DrawnBatches(sources, alpha=recipe.alpha, seed=recipe.train.seed)


class _Looks:
    """Scores every task on its dev file; `eval_mean` is the mean of what each is watched by."""

    def __init__(self, recipes: Mapping[str, FinetuneRecipe], prepared: Mapping[str, Prepared]) -> None:
        self._keys = {name: own.train.monitor.key for name, own in recipes.items()}
        self.of_task = {
            name: DevSet(
                TaskTrainable(prepared[name].learner),
                prepared[name].task,
                prepared[name].dev_examples,
                prepared[name].dev,
                batch_tokens=own.eval_batch_tokens,
            )
            for name, own in recipes.items()
        }

    def __call__(self) -> dict[str, float]:
        each = {name: look() for name, look in self.of_task.items()}
        watched = [numbers[self._keys[name]] for name, numbers in each.items()]
        named = {
            f"eval_{name}_{key.removeprefix('eval_')}": value
            for name, numbers in each.items()
            for key, value in numbers.items()
        }
        return {"eval_mean": sum(watched) / len(watched), **named}


def _require_watched(
    recipe: TogetherRecipe,
    recipes: Mapping[str, FinetuneRecipe],
    prepared: Mapping[str, Prepared],
    looks: _Looks,
) -> None:
    """Check that the dev files give what the run is watched by, and what each task is."""
    all_names = ["eval_mean"]
    for name, own in recipes.items():
        names = names_of(looks.of_task[name], prepared[name])
        if not names:
            return
        key = own.train.monitor.key
        if key not in names:
            raise ConfigError(
                f"{name} is watched by {key}, which its dev file does not give",
                where=own.dev_file,
                hint=f"it gives {', '.join(names)}: another dev file, or another objective",
            )
        all_names += [f"eval_{name}_{each.removeprefix('eval_')}" for each in names]
    monitor = recipe.train.monitor
    require_watched(monitor.key, all_names, where="the dev files", monitor=type(monitor))


def _with_numbers(
    recipe: TogetherRecipe, recipes: Mapping[str, FinetuneRecipe], batches_per_epoch: int
) -> TogetherTraining:
    """The training part with `evals_per_epoch` turned into steps, and the bound of the largest batches."""
    every = max(-(-batches_per_epoch // recipe.evals_per_epoch), 1)
    numbers = {
        "eval_every_steps": recipe.train.eval_every_steps or every,
        "batch_tokens": max(own.train.batch_tokens for own in recipes.values()),
    }
    return recipe.train.model_copy(update=numbers)


def _fingerprints(recipes: Mapping[str, FinetuneRecipe], prepared: Mapping[str, Prepared]) -> dict[str, str]:
    """What must not change under a run that is resumed."""
    prints: dict[str, str] = {}
    for name, own in recipes.items():
        for what, value in fingerprints_of(own, prepared[name].tokenizer).items():
            prints[f"{name}'s {what}" if what.endswith("file") else what] = value
    return prints


@contextmanager
def _plain_encoder(prepared: Prepared) -> Iterator[None]:
    """The encoder without the pooler meanwhile, where other tasks have it and this one does not."""
    encoder = prepared.learner.network.get_submodule("encoder")
    assert isinstance(encoder, Encoder)
    pooler = encoder.pooler
    if not prepared.kind.needs_pooler:
        encoder.pooler = None
    try:
        with torch.no_grad():
            yield
    finally:
        encoder.pooler = pooler
