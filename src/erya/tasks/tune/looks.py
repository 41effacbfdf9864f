"""A trial's scores while it trains, and whether it is cut short."""

from __future__ import annotations

from collections.abc import Mapping

from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.tune.study import Trial
from erya.train.protocols import Callback, RunStart


class CutShort(Exception):
    """A trial is behind the others; its run ends here."""


class Looks(Callback):
    """Tells a study of every look at the dev file.

    Looks are counted in passes over the training data, whatever the batch size, so that trials are compared
    after the same number of examples.

    Args:
        recipe: of the trial.
        trial: of the study.
        prune: whether it may be cut short.
    """

    def __init__(self, recipe: FinetuneRecipe, trial: Trial, *, prune: bool) -> None:
        self._trial, self._prune, self._key = trial, prune, recipe.train.monitor.key
        self._looks_of_run = (recipe.train.epochs or 1) * recipe.evals_per_epoch
        self._total_steps: int | None = None
        self._last = -1

    def on_start(self, start: RunStart) -> None:
        self._total_steps = start.total_steps

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        """Raises:
        CutShort: the score is behind the median of the other trials'.
        """
        look = self._last + 1
        if self._total_steps is not None:
            look = round(step / self._total_steps * self._looks_of_run)
        if look <= self._last:  # several within one, where the recipe says how often
            return
        self._last = look
        is_behind = self._trial.is_behind(look, metrics[self._key])
        if self._prune and is_behind and step != self._total_steps:
            raise CutShort
