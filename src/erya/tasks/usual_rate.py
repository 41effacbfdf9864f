"""The learning rate of a run whose recipe says none: usual for the width of the encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from erya.checkpoints.configuration import read_config_file, read_configuration, understand
from erya.config import read_config
from erya.tasks.recipe import FinetuneRecipe
from erya.train.directory import RECIPE_FILE
from erya.train.protocols import Tell

if TYPE_CHECKING:
    from erya.tasks.together.recipe import TogetherRecipe

RecipeT = TypeVar("RecipeT", FinetuneRecipe, "TogetherRecipe")

# Width, at most, and rate, for batches of 32: 256 is measured (benchmarks/log.md), the others commonly taken.
_RATES = ((128, 1e-3), (256, 6e-4), (512, 2e-4), (10**9, 5e-5))


def usual_rate(width: int) -> float:
    """The greatest learning rate usual for an encoder of this width; narrower ones bear more."""
    return next(rate for limit, rate in _RATES if width <= limit)


def with_usual_rate(recipe: RecipeT, *, run: Path | None = None, tell: Tell) -> RecipeT:
    """The recipe; where it says no learning rate, with that of the run it goes on with, or the usual one.

    Args:
        recipe: what to do.
        run: the run directory that is gone on with, if there is a run in it.
        tell: is given a sentence about the rate that was chosen.
    Raises:
        CheckpointError: the model is not there, or none that Erya can open.
    """
    if "learning_rate" in recipe.train.model_fields_set:
        return recipe
    if run is not None and (run / RECIPE_FILE).is_file():
        rate = read_config(run / RECIPE_FILE, ())[0]["train"]["learning_rate"]
    else:
        width = _width_of(Path(recipe.model), blank=recipe.random_init)
        rate = usual_rate(width)
        tell(f"learning rate {rate:g}, usual for a width of {width}; train.learning_rate=... is another")
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"learning_rate": rate})})


def _width_of(directory: Path, *, blank: bool) -> int:
    """The width of a model's states; of a `blank` one the weights need not be there."""
    if blank:
        return understand(read_config_file(directory), {}, directory).encoder.hidden_size
    return read_configuration(directory)[1].encoder.hidden_size
