"""The same fine-tuning run under several seeds: how much of a score is luck."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from erya.errors import StorageError
from erya.files import atomic_directory, atomic_write, to_json
from erya.tasks.finetune import SEEDS_FILE, FineTuned, finetune, require_no_others
from erya.tasks.recipe import FinetuneRecipe
from erya.train.directory import MODEL_DIRECTORY, RECIPE_FILE
from erya.train.metrics_file import METRICS_FILE
from erya.train.protocols import Callback, Tell
from erya.train.ranks import environment_ranks


@dataclass(frozen=True, slots=True)
class SeedsSummary:
    """Dev scores over seeds.

    Attributes:
        scores: for each seed the dev scores of its saved weights.
        best_seed: whose model is in `model/`; None when a run was interrupted before all had ended.
        mean: of each score over the seeds.
        deviation: sample standard deviation of each score.
    """

    scores: dict[int, dict[str, float]]
    best_seed: int | None
    mean: dict[str, float]
    deviation: dict[str, float]


def finetune_seeds(
    recipe: FinetuneRecipe,
    directory: Path,
    *,
    num_seeds: int,
    callbacks: Callable[[int], Sequence[Callback]],
    tell: Tell,
    resume: bool = True,
) -> SeedsSummary:
    """Fine-tune with `num_seeds` seeds from the recipe's on, and keep the model that is best on dev.

    Args:
        recipe: what to do.
        directory: holds `seed-S/` for each run, `seeds.json`, and the best run's `model/` and record.
        num_seeds: how many seeds, at least 2.
        callbacks: for a seed, who is told what happens during its training.
        tell: is given sentences a user should read.
        resume: go on with the runs in `directory`.
    Raises:
        StorageError: `directory` holds a run of its own, whose model and record would be overwritten.
        EryaError: as `finetune` does.
    """
    assert num_seeds >= 2
    _require_no_run(directory)
    runs: dict[int, FineTuned] = {}
    for seed in range(recipe.train.seed, recipe.train.seed + num_seeds):
        own = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": seed})})
        tell(f"seed {seed}")
        run = finetune(own, _place(directory, seed), callbacks=callbacks(seed), tell=tell, resume=resume)
        if run.model is None:
            return _summary(runs, None)
        runs[seed] = run
    monitor = recipe.train.monitor
    sign = 1.0 if monitor.mode == "max" else -1.0
    best = max(runs, key=lambda seed: sign * runs[seed].result.state.best_metrics[monitor.key])
    summary = _summary(runs, best)
    if environment_ranks().is_first:
        _publish(directory, best, summary)
    return summary


def _require_no_run(directory: Path) -> None:
    require_no_others(directory, file=SEEDS_FILE)
    if (directory / RECIPE_FILE).exists():
        raise StorageError(
            "the directory holds a run of one seed, whose model would be overwritten",
            where=str(directory),
            hint="choose another --out",
        )


def _place(directory: Path, seed: int) -> Path:
    return directory / f"seed-{seed}"


def _summary(runs: dict[int, FineTuned], best: int | None) -> SeedsSummary:
    scores = {seed: dict(run.result.state.best_metrics) for seed, run in runs.items()}
    names = list(next(iter(scores.values()), {}))
    values = {name: [score[name] for score in scores.values()] for name in names}
    return SeedsSummary(
        scores=scores,
        best_seed=best,
        mean={name: statistics.fmean(several) for name, several in values.items()},
        deviation={n: statistics.stdev(several) for n, several in values.items() if len(several) > 1},
    )


def _publish(directory: Path, best: int, summary: SeedsSummary) -> None:
    """Copy the best run's model and record to where a single run would have them."""
    with atomic_directory(directory / MODEL_DIRECTORY, replace=True) as aside:
        shutil.copytree(_place(directory, best) / MODEL_DIRECTORY, aside, dirs_exist_ok=True)
    with atomic_write(directory / METRICS_FILE) as stream:
        stream.write((_place(directory, best) / METRICS_FILE).read_bytes())
    with atomic_write(directory / SEEDS_FILE) as stream:
        content = {"best_seed": best, "mean": summary.mean, "deviation": summary.deviation}
        stream.write(to_json({**content, "scores": summary.scores}, indent=2).encode())
