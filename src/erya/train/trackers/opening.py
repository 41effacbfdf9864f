"""The trackers a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from erya.train.trackers.mlflow import MLflow
from erya.train.trackers.tensorboard import TensorBoard
from erya.train.trackers.tracker import Tracker, TrackerName
from erya.train.trackers.trackio import Trackio
from erya.train.trackers.wandb import WandB

_TRACKERS: dict[TrackerName, Callable[[], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
    "trackio": Trackio,
}


def open_trackers(names: Sequence[TrackerName]) -> dict[TrackerName, Tracker]:
    """The trackers with these names, none started.

    Raises:
        MissingExtraError: the package of one is not installed.
    """
    return {name: _TRACKERS[name]() for name in names}
