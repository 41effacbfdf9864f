"""The model in a checkpoint of a run, by however many ranks it was written."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from erya.config import load_config
from erya.data.shards import Shards
from erya.errors import CheckpointError, nearest_hint
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.saving import save_part
from erya.pretrain.start import build_start
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.checkpoint import STATE, damage_of, find_steps
from erya.train.checkpoint_tensors import read_weights, weights_of
from erya.train.directory import CHECKPOINTS_DIRECTORY, MODEL_DIRECTORY, RECIPE_FILE
from erya.train.protocols import Tell


def is_run(directory: Path) -> bool:
    """Whether `directory` is of a training run, and no model."""
    return (directory / RECIPE_FILE).is_file() and (directory / CHECKPOINTS_DIRECTORY).is_dir()


def model_of_run(
    run: Path,
    out: Path,
    *,
    step: int | None = None,
    replace: bool = False,
    tell: Tell = lambda text: None,
) -> int:
    """Write the model directory of a checkpoint, in this process alone; the run may be going on.

    A run with a running mean of its weights gives the mean's.

    Args:
        run: a directory of `erya pretrain`.
        out: the model directory to make.
        step: which checkpoint; None is the best, of a run that monitors a number, or else the last whole one.
        replace: whether `out` may be replaced.
        tell: is told of damaged checkpoints that are passed over.
    Returns:
        The step.
    Raises:
        CheckpointError: there is no such checkpoint, or it is damaged.
        InputError: the shards of the run, which know its vocabulary, are not there any more.
        StorageError: `out` exists, or the disk refuses.
    """
    step = _pick(run / CHECKPOINTS_DIRECTORY, step, tell=tell)
    directory = run / CHECKPOINTS_DIRECTORY / f"step-{step}"
    recipe = load_config(PretrainRecipe, run / RECIPE_FILE)
    tokenizer = Tokenizer.open(Shards.open(Path(recipe.data.shards), split="train").tokenizer_directory)
    objective = build_start(recipe, tokenizer, tell=lambda text: None).module
    _fill(objective, directory)
    part = objective.parts()[MODEL_DIRECTORY]
    save_part(part, out, recipe=recipe, tokenizer=tokenizer, told={"steps": step}, replace=replace)
    return step


def _pick(directory: Path, step: int | None, *, tell: Tell) -> int:
    """The step to take, whose checkpoint is whole."""
    steps = find_steps(directory)
    if step is not None:
        if step not in steps:
            raise CheckpointError(
                f"there is no checkpoint of step {step}",
                where=str(directory),
                hint=nearest_hint(str(step), map(str, steps)),
            )
        _require_whole(directory, step)
        return step
    for last in reversed(steps):
        damage = damage_of(directory / f"step-{last}")
        if damage is not None:
            tell(f"warning: the checkpoint of step {last} is damaged ({damage}): passed over")
        else:
            state = json.loads((directory / f"step-{last}" / STATE).read_text(encoding="utf-8"))["state"]
            best: int = last if state["best_step"] is None else state["best_step"]
            _require_whole(directory, best)
            return best
    raise CheckpointError("no checkpoint of this run is whole", where=str(directory))


def _require_whole(directory: Path, step: int) -> None:
    path = directory / f"step-{step}"
    if (damage := damage_of(path)) is not None:
        raise CheckpointError(
            f"the checkpoint is damaged: {damage}", where=str(path), hint="choose another --step"
        )


@torch.no_grad()
def _fill(module: nn.Module, directory: Path) -> None:
    """Give `module` the weights of the checkpoint in `directory`."""
    stored, places = read_weights(directory), weights_of(module)
    if {name: tensor.shape for name, tensor in stored.items()} != {n: t.shape for n, t in places.items()}:
        raise CheckpointError(
            "the checkpoint is not of the model that recipe.yaml says", where=str(directory)
        )
    for name, place in places.items():
        place.copy_(stored[name])
