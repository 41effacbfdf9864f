"""A new masked-language head for an encoder that came without one, before anything else is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.recipe import PretrainRecipe
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, Source, Tell


class _Messages(Callback):
    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def on_message(self, text: str) -> None:
        self._tell(text)


def refit_head(
    objective: PretrainObjective,
    source: Source,
    *,
    recipe: PretrainRecipe,
    directory: Path,
    fingerprints: Mapping[str, str],
    changeable: tuple[str, ...],
    tell: Tell,
) -> TrainResult:
    """Train all but the encoder for `objective.refit_head_steps` steps, or go on with that.

    It is a run of its own, so it can be stopped and resumed like any other, and is over at once when it is
    done already.

    Args:
        objective: what is trained; its encoder is left as it is.
        source: of the run to come.
        recipe: of the run to come: optimiser and precision are the same, length and schedule are not.
        directory: where this run lies.
        fingerprints, changeable: of the run to come; see `erya.train.loop.train`.
        tell: is given sentences a user should read.
    """
    steps = recipe.objective.refit_head_steps
    tell(f"the masked-language head is new: it is trained alone for {steps:,} steps first")
    alone = recipe.train.model_copy(
        update={"steps": steps, "epochs": None, "max_tokens": None, "max_time_s": None, "monitor": None}
    )
    encoders = objective.module.encoders()
    for encoder in encoders:
        encoder.requires_grad_(False)
    result = train(
        objective,
        source,
        recipe=alone,
        run_recipe=recipe,
        directory=directory,
        fingerprints=fingerprints,
        changeable=changeable,
        callbacks=[_Messages(tell)],
    )
    for encoder in encoders:
        encoder.requires_grad_(True)
    return result
