"""Held-out scores during a run, and which was the best."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import torch

from erya.errors import ConfigError, nearest_hint
from erya.train.average import Average
from erya.train.parallel import Spread
from erya.train.protocols import Evaluate, Trainable
from erya.train.recipe import Monitor
from erya.train.state import RunState


def score(
    evaluate: Evaluate,
    trainable: Trainable,
    spread: Spread,
    average: Average | None,
    autocast: AbstractContextManager[object],
) -> dict[str, float]:
    """What `evaluate` gives for the weights as they are, or for their running mean; the same on all ranks."""
    with nullcontext() if average is None else average.swapped():
        spread.update_original()
        trainable.module.eval()
        with torch.no_grad(), autocast:
            metrics = {name: float(value) for name, value in evaluate().items()}
        trainable.module.train()
    return spread.ranks.broadcast(metrics)


def note_best(state: RunState, monitor: Monitor, metrics: Mapping[str, float]) -> bool:
    """Remember in `state` whether `metrics`, its last ones, are the best so far; whether they are.

    Raises:
        ConfigError: what the monitor asks for is not among them.
    """
    if monitor.key not in metrics:
        raise ConfigError(
            f"train.monitor.key is {monitor.key!r}, which the evaluation does not give",
            hint=nearest_hint(monitor.key, metrics),
        )
    best = state.best_metrics.get(monitor.key)
    if best is not None and not monitor.is_better(metrics[monitor.key], best):
        state.evaluations_since_best += 1
        return False
    state.best_step, state.best_metrics, state.evaluations_since_best = state.step, dict(metrics), 0
    return True
