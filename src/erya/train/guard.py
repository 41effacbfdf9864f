"""Watches over the loss: a step whose loss leaps up is not taken."""

from __future__ import annotations

from statistics import median

from erya.train.recipe import GuardRecipe

_FEWEST = 10
# Of normally distributed numbers this times the median distance from the median is the standard deviation.
_SPREAD = 1.4826
# Losses that hardly differ would make every ripple a spike.
_LEAST_SPREAD = 0.01


class Guard:
    """Knows the last losses and says which one is out of line.

    Median and median distance are not moved by the spikes themselves, nor by a few bad batches.

    Args:
        recipe: what is out of line.
        losses: of the last steps taken; changed in place, so that whoever saves the list saves the guard.
    """

    def __init__(self, recipe: GuardRecipe, losses: list[float]) -> None:
        self._recipe, self._losses = recipe, losses

    def refuse(self, loss: float, grad_norm: float) -> str | None:
        """Why a step with this loss must not be taken, or None; the first few losses are all accepted."""
        if len(self._losses) < _FEWEST:
            return None
        middle = median(self._losses)
        spread = _SPREAD * median(abs(each - middle) for each in self._losses)
        limit = middle + self._recipe.spike * max(spread, _LEAST_SPREAD * abs(middle))
        if loss <= limit:
            return None
        return (
            f"the loss leapt to {loss:.4g}, above {limit:.4g} (the median of the last {len(self._losses)} is "
            f"{middle:.4g}), with a gradient of length {grad_norm:.4g}"
        )

    def accept(self, loss: float) -> None:
        """Remember the loss of a step that was taken."""
        self._losses.append(loss)
        del self._losses[: -self._recipe.window]
