"""What lies where in a run directory."""

from __future__ import annotations

from pathlib import Path

from erya.train.metrics_file import METRICS_FILE
from erya.train.run_file import RUN_FILE
from erya.train.trackers.tensorboard import EVENTS_DIRECTORY
from erya.train.trackers.tracker import TRACKERS_DIRECTORY

RECIPE_FILE = "recipe.yaml"
CHECKPOINTS_DIRECTORY = "checkpoints"
MODEL_DIRECTORY = "model"
GENERATOR_DIRECTORY = "generator"  # the model that replaces tokens, where there is one
HEAD_DIRECTORY = "head"  # the run that trains a new head alone, where there is one


def set_aside(directory: Path) -> Path | None:
    """Move the run in `directory` into the first free `previous-N/` of it, so that another can start there.

    Returns:
        Where it is now; None when there was none.
    """
    names = (
        RECIPE_FILE,
        METRICS_FILE,
        RUN_FILE,
        EVENTS_DIRECTORY,
        TRACKERS_DIRECTORY,
        CHECKPOINTS_DIRECTORY,
        MODEL_DIRECTORY,
        GENERATOR_DIRECTORY,
        HEAD_DIRECTORY,
    )
    present = [directory / name for name in names if (directory / name).exists()]
    if not present:
        return None
    number = 1
    while (aside := directory / f"previous-{number}").exists():
        number += 1
    aside.mkdir()
    for path in present:
        path.rename(aside / path.name)
    return aside
