"""A search over recipe keys: run after run, the worse ones cut short, the best kept."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.checkpoints.info import read_json
from erya.config import dump_yaml
from erya.errors import ConfigError, TrainingError
from erya.files import atomic_directory, atomic_write, exclusive, sha256_of, to_json
from erya.tasks.finetune import FineTuned, finetune
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.tune.looks import CutShort, Looks
from erya.tasks.tune.page import TUNE_PAGE, write_tune
from erya.tasks.tune.space import Space, require_possible, space_as_json, values_of, with_values
from erya.tasks.tune.study import STUDY_FILE, Outcome, Status, Study
from erya.tasks.usual_rate import with_usual_rate
from erya.train.directory import CHECKPOINTS_DIRECTORY, MODEL_DIRECTORY
from erya.train.identity import require_same
from erya.train.protocols import Callback, Tell
from erya.train.ranks import environment_ranks

BEST_FILE, SEARCH_FILE, TRIALS_DIRECTORY = "best.yaml", "search.json", "trials"
_ALL = (BEST_FILE, SEARCH_FILE, TRIALS_DIRECTORY, STUDY_FILE, TUNE_PAGE, MODEL_DIRECTORY)
_PAGE_EVERY_S = 60.0  # drawing takes a second or so
_HOPELESS = 3  # so many trials that failed, and none that did not, end the search


class Watcher:
    """Told how a search goes; override what interests you."""

    def on_trial(self, number: int, values: Mapping[str, Any]) -> Sequence[Callback]:
        """Before a trial; who is told what happens during its training."""
        return ()

    def on_outcome(self, outcome: Outcome, best: Outcome | None) -> None:
        """After a trial, with the best so far."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search left behind.

    Attributes:
        outcomes: of every trial that ended, also of earlier calls.
        best: the best of those that were not cut short; None where there is none.
        recipe: the best one's recipe, which is in `best.yaml`.
        model: the best one's model directory.
        page: the plots.
        interrupted: whether a trial was, to be continued.
    """

    outcomes: Sequence[Outcome]
    best: Outcome | None
    recipe: FinetuneRecipe | None
    model: Path | None
    page: Path
    interrupted: bool


def tune(
    recipe: FinetuneRecipe,
    directory: Path,
    *,
    space: Space,
    num_trials: int,
    timeout_s: float | None = None,
    prune: bool = True,
    watcher: Watcher | None = None,
    tell: Tell,
    resume: bool = True,
) -> Tuned:
    """Try values from `space` until there are `num_trials` trials, or go on with the search in `directory`.

    The recipe's own values are tried first, where they lie in the space; a learning rate that it does not say
    is the usual one.

    Args:
        recipe: what all trials have in common; its seed is also that of the search.
        directory: holds `trials/N/` (recipe and record of each), the study, and of the best trial so far
            `best.yaml` and `model/`; `tune.html` shows it all.
        space: what is searched.
        num_trials: of all calls together, those that were killed not counted.
        timeout_s: no trial begins after so many seconds of this call.
        prune: whether a trial that is behind the median of the others at a look is cut short.
        watcher: told how it goes.
        tell: is given sentences a user should read.
        resume: go on with the search in `directory`; False sets it aside and starts over.
    Raises:
        ConfigError: the space does not fit the recipe, or the search in `directory` is another one.
        TrainingError: trials fail one and all.
        MissingExtraError: optuna is not installed.
        EryaError: as `finetune` does.
    """
    if not environment_ranks().is_alone:
        raise ConfigError("a search is made by one process", hint="run it without torchrun")
    require_possible(recipe, space)
    recipe = with_usual_rate(recipe, tell=tell)
    with exclusive(directory):
        if not resume:
            _set_aside(directory)
        _require_same_search(recipe, space, directory)
        search = _Search(recipe, directory, space, prune, watcher or Watcher(), tell)
        ended = time.monotonic() + (float("inf") if timeout_s is None else timeout_s)
        interrupted = False
        while not interrupted and len(search.study.outcomes()) < num_trials and time.monotonic() < ended:
            interrupted = not search.try_one()
        return search.result(interrupted)


class _Search:
    """A search in progress."""

    def __init__(
        self,
        recipe: FinetuneRecipe,
        directory: Path,
        space: Space,
        prune: bool,
        watcher: Watcher,
        tell: Tell,
    ) -> None:
        self._recipe, self._directory, self._prune = recipe, directory, prune
        self._watcher, self._tell, self._say = watcher, tell, tell
        self._drawn = time.monotonic()
        self._monitor = recipe.train.monitor
        self.study = Study(directory, space, maximise=self._monitor.mode == "max", seed=recipe.train.seed)
        if (own := values_of(recipe, space)) is not None:
            self.study.begin_with(own)
        elif not self.study.outcomes():
            tell("the recipe's own values lie outside of the space: they are not tried")
        if self.study.take_up():
            tell("a trial that was cut off is taken up again")
        for outcome in self.study.outcomes():
            self._tidy(outcome.number)

    def try_one(self) -> bool:
        """Run a trial to its end; False if it was interrupted."""
        trial = self.study.ask()
        number = trial.number
        recipe = with_values(self._recipe, trial.values, where=f"trial {number}")
        looks = Looks(recipe, trial, prune=self._prune)
        callbacks = [looks, *self._watcher.on_trial(number, trial.values)]
        status: Status = "whole"
        score, error = None, ""
        try:
            run = finetune(recipe, self._place(number), callbacks=callbacks, tell=self._say)
            if run.model is None:
                return False
            score = run.result.state.best_metrics[self._monitor.key]
            self._keep_best(run, recipe, score)
        except CutShort:
            status = "cut short"
        except TrainingError as failure:
            status, error = "failed", failure.what
            self._tell(f"warning: trial {number} failed: {error}")
        self.study.tell(trial, status, score=score, error=error)
        self._say = _quiet
        self._after(number)
        return True

    def _after(self, number: int) -> None:
        self._tidy(number)
        outcomes = self.study.outcomes()
        outcome = next(each for each in outcomes if each.number == number)
        if len(outcomes) >= _HOPELESS and all(each.status == "failed" for each in outcomes):
            raise TrainingError(
                f"the first {len(outcomes)} trials failed, the last one so: {outcome.error}",
                hint="see that a single run works: erya finetune",
            )
        if time.monotonic() - self._drawn > _PAGE_EVERY_S:
            self._write_page()
        self._watcher.on_outcome(outcome, self.study.best())

    def _place(self, number: int) -> Path:
        return self._directory / TRIALS_DIRECTORY / f"{number:03}"

    def _keep_best(self, run: FineTuned, recipe: FinetuneRecipe, score: float) -> None:
        """Copy recipe and model of a trial that beats all others. Before the study is told: a trial that is
        killed in between comes here again."""
        best = self.study.best()
        if best is not None and best.score is not None:
            gain = score - best.score if self.study.maximise else best.score - score
            if not gain > 0:
                return
        assert run.model is not None
        with atomic_directory(self._directory / MODEL_DIRECTORY, replace=True) as aside:
            shutil.copytree(run.model, aside, dirs_exist_ok=True)
        with atomic_write(self._directory / BEST_FILE) as stream:
            stream.write(dump_yaml(recipe).encode())

    def _tidy(self, number: int) -> None:
        """Of a trial that ended its recipe and record stay."""
        for name in (CHECKPOINTS_DIRECTORY, MODEL_DIRECTORY):
            shutil.rmtree(self._place(number) / name, ignore_errors=True)

    def _write_page(self) -> Path:
        self._drawn = time.monotonic()
        title = f"{self._recipe.kind} · {self._recipe.model} · {self._recipe.train_file}"
        return write_tune(self._directory, self.study, key=self._monitor.key, title=title)

    def result(self, interrupted: bool) -> Tuned:
        """What there is now."""
        best = self.study.best()
        found = None if best is None else with_values(self._recipe, best.values, where="the best trial")
        return Tuned(
            outcomes=self.study.outcomes(),
            best=best,
            recipe=found,
            model=None if best is None else self._directory / MODEL_DIRECTORY,
            page=self._write_page(),
            interrupted=interrupted,
        )


def _require_same_search(recipe: FinetuneRecipe, space: Space, directory: Path) -> None:
    """Write down what is searched, or check that it is what was searched here before."""
    files = {"training file": recipe.train_file, "dev file": recipe.dev_file}
    now = {
        "recipe": {"kind": recipe.kind, **recipe.model_dump(mode="json"), "space": space_as_json(space)},
        "fingerprints": {name: sha256_of(Path(file)) for name, file in files.items()},
    }
    path = directory / SEARCH_FILE
    if path.exists():
        require_same(
            read_json(path), now, where=str(directory), changeable=("train_file", "dev_file", "model")
        )
        return
    with atomic_write(path) as stream:
        stream.write(to_json(now, indent=2).encode())


def _set_aside(directory: Path) -> None:
    present = [directory / name for name in _ALL if (directory / name).exists()]
    if not present:
        return
    number = 1
    while (aside := directory / f"previous-{number}").exists():
        number += 1
    aside.mkdir()
    for path in present:
        path.rename(aside / path.name)


def _quiet(text: str) -> None:
    """What a run says of its files is the same in every trial: the first of a call says it."""
