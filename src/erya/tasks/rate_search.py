"""The learning rate of a fine-tuning run of any kind, looked for with its own data and model."""

from __future__ import annotations

from collections.abc import Callable

from erya.tasks.batches import ExampleBatches
from erya.tasks.preparation import prepare
from erya.tasks.rate_finder import RateCurve, find_rate
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.trainable import TaskTrainable
from erya.train.protocols import Tell


def search_rate(
    recipe: FinetuneRecipe,
    *,
    num_steps: int = 200,
    progress: Callable[[int, float], None] = lambda step, loss: None,
    tell: Tell,
) -> RateCurve:
    """Raise the learning rate over some hundred steps of what `recipe` would train; nothing is written.

    Args:
        recipe: the run; its own rate, schedule and length do not matter.
        num_steps: of the whole range.
        progress: is told each step, from 1, and its smoothed loss.
        tell: is given sentences a user should read.
    Raises:
        EryaError: as `finetune` and `find_rate` do.
    """
    craft = recipe.craft.model_copy(update={"cached_states": None})  # a few steps are not worth a cache
    prepared = prepare(recipe.model_copy(update={"craft": craft}), tell)
    source = ExampleBatches(
        prepared.train.features,
        batch_size=recipe.batch_size,
        batch_tokens=recipe.train.batch_tokens,
        seed=recipe.train.seed,
    )
    return find_rate(
        TaskTrainable(prepared.learner),
        source,
        recipe=recipe.train,
        num_steps=num_steps,
        progress=progress,
        tell=tell,
    )
