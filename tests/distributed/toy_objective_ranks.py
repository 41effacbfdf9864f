"""`torchrun ... toy_objective_ranks.py RUNS` is one rank; RUNS: in JSON, overrides of the recipe by run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

TINY = Path(__file__).parents[1] / "unit" / "pretrain" / "tiny.yaml"


def run(out: Path, overrides: list[str]) -> None:
    """One pre-training run."""
    from erya.config import load_config
    from erya.pretrain.recipe import PretrainRecipe
    from erya.pretrain.run import pretrain

    pretrain(load_config(PretrainRecipe, TINY, overrides), out, tell=lambda text: None)


if __name__ == "__main__":
    for directory, given in json.loads(sys.argv[1]).items():
        run(Path(directory), given)
