"""What a run asks of a tracker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from erya.train.run_file import RunStatus

TrackerName = Literal["tensorboard", "mlflow", "wandb", "trackio"]
# Local files of trackers, in the run directory.
TRACKERS_DIRECTORY = "trackers"
PROJECT = "erya"


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run that a tracker is to follow.

    Attributes:
        name: the run directory's name.
        directory: the run directory; a tracker that keeps local files does so in it.
        recipe: the whole recipe, plain values.
        step: steps already done.
        id: what the tracker called this run when it began; None for a run that is new to it.
    """

    name: str
    directory: Path
    recipe: Mapping[str, Any]
    step: int
    id: str | None


class Tracker(Protocol):
    """Follows a run. Whatever it raises but an `EryaError` ends the following, not the run.

    Attributes:
        rewinds: whether `start` takes back what was logged after `run.step`. A tracker that does not is not
            given those steps a second time.
    """

    @property
    def rewinds(self) -> bool: ...

    def start(self, run: RunInfo) -> str | None:
        """Begin, or go on with the run `run.id`; returns what this tracker calls the run."""
        ...

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step, by names such as `train/loss`. NaN and infinities are among them."""
        ...

    def flush(self) -> None:
        """Bring to the disk what was logged."""
        ...

    def end(self, status: RunStatus) -> None:
        """The run is over, or this process is."""
        ...


def flat(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested keys as dotted ones, values as text: what trackers call parameters."""
    found: dict[str, str] = {}
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            found.update(flat(value, f"{prefix}{key}."))
        else:
            found[f"{prefix}{key}"] = str(value)
    return found
