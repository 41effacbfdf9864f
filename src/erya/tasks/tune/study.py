"""A study on the disk: which values were tried, what came of it, what is tried next.

What is asked next is a function of the seed and of what was told, so a study that was killed goes on as if it
had not been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from erya.files import atomic_write
from erya.runtime import generator, require
from erya.tasks.tune.space import Space

STUDY_FILE = "study.jsonl"
_ASK = 0x70A5  # keeps this stream of random numbers apart from others with the same seed
_NAME = "erya"
# Trials drawn at random before the search follows what it has seen, and before any is cut short.
RANDOM_TRIALS, _WHOLE_TRIALS = 8, 4
# Our own notes on a trial.
_PLACE, _CONTINUES, _CURVE, _ERROR = "place", "continues", "curve", "error"

Status = Literal["whole", "cut short", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial.

    Attributes:
        number: of the trial's directory, from 0.
        values: what it tried, by dotted recipe key.
        status: `whole`; `cut short` where it was behind the median of the others; `failed`.
        score: the monitored dev score, the best of the run; of a trial cut short the last; None if it failed.
        curve: the score at each look at the dev file: (how many looks' time had passed, score).
        seconds: how long it took, the time before it was continued not counted.
        error: why it failed.
    """

    number: int
    values: Mapping[str, Any]
    status: Status
    score: float | None
    curve: Sequence[tuple[int, float]]
    seconds: float
    error: str | None


class Trial:
    """What is tried.

    Args:
        trial: optuna's.
        values: of every key.
    Attributes:
        number: of its directory.
        values: the same.
    """

    def __init__(self, trial: Any, values: Mapping[str, Any]) -> None:
        self.number, self.values, self.asked = _place(trial), values, trial
        self._seen = set[int]()
        for look, score in trial.user_attrs.get(_CURVE, ()):  # of before it was killed
            self._report(look, score)

    def is_behind(self, look: int, score: float) -> bool:
        """Write down a look's score; whether the best so far is behind the other trials' median then."""
        self._report(look, score)
        return bool(self.asked.should_prune())

    def _report(self, look: int, score: float) -> None:
        if look not in self._seen:
            self._seen.add(look)
            self.asked.report(score, look)


class Study:
    """Asks for values and is told scores.

    Args:
        directory: holds `study.jsonl`, optuna's journal; one process at a time uses it.
        space: what is searched.
        maximise: whether the greatest score is the best.
        seed: of what is asked.
    Raises:
        MissingExtraError: optuna is not installed.
    Source: Akiba et al. 2019, Optuna; Bergstra et al. 2011, Algorithms for Hyper-Parameter Optimization
        (the tree-structured Parzen estimator).
    """

    def __init__(self, directory: Path, space: Space, *, maximise: bool, seed: int) -> None:
        self._optuna = optuna = require("optuna")
        self.space, self.maximise, self._seed = space, maximise, seed
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        journal = optuna.storages.journal
        file = _whole_lines(directory / STUDY_FILE)
        backend = journal.JournalFileBackend(str(file), lock_obj=_NoLock())
        self.study = optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            study_name=_NAME,
            direction="maximize" if maximise else "minimize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_WHOLE_TRIALS),
            load_if_exists=True,
        )

    def begin_with(self, values: Mapping[str, Any]) -> None:
        """Have these values tried first, where nothing was tried yet."""
        if not self.study.trials:
            self.study.enqueue_trial(dict(values))

    def take_up(self) -> int:
        """Have trials that were killed tried again with their values; how many.

        Each goes on in its directory, where the last checkpoint is.
        """
        states = self._optuna.trial.TrialState
        continued = {trial.user_attrs.get(_CONTINUES) for trial in self.study.trials}
        killed = self.study.get_trials(states=(states.RUNNING,))
        for trial in killed:
            if trial.number not in continued:
                # Before the other one is closed: killed in between, the study still knows of both.
                attributes = {_CONTINUES: trial.number, _CURVE: sorted(trial.intermediate_values.items())}
                if _PLACE in trial.user_attrs:
                    attributes[_PLACE] = _place(trial)
                self.study.enqueue_trial(trial.params, user_attrs=attributes)
            self.study.tell(trial.number, state=states.FAIL)
        return len(killed)

    def ask(self) -> Trial:
        """The next trial."""
        seed = int(generator(_ASK, self._seed, len(self.outcomes())).integers(2**32))
        self.study.sampler = self._optuna.samplers.TPESampler(
            seed=seed, n_startup_trials=RANDOM_TRIALS, constant_liar=False
        )
        trial = self.study.ask()
        if _PLACE not in trial.user_attrs:
            trial.set_user_attr(_PLACE, self._free_place(trial.number))
        return Trial(trial, {key: entry.suggest(trial, key) for key, entry in self.space.items()})

    def _free_place(self, number: int) -> int:
        """Directories are counted without the trials that were killed."""
        used = [trial.user_attrs.get(_PLACE, -1) for trial in self.study.trials if trial.number != number]
        return max(used, default=-1) + 1

    def tell(self, trial: Trial, status: Status, *, score: float | None = None, error: str = "") -> None:
        """Write down what came of a trial."""
        states = self._optuna.trial.TrialState
        if status == "whole":
            self.study.tell(trial.asked, score)
        elif status == "cut short":
            self.study.tell(trial.asked, state=states.PRUNED)
        else:
            trial.asked.set_user_attr(_ERROR, error or "no reason given")
            self.study.tell(trial.asked, state=states.FAIL)

    def outcomes(self) -> list[Outcome]:
        """Of every trial that ended by itself, in the order of their directories."""
        states = self._optuna.trial.TrialState
        kinds: dict[Any, Status] = {
            states.COMPLETE: "whole", states.PRUNED: "cut short", states.FAIL: "failed"
        }  # fmt: skip
        ended = [
            trial
            for trial in self.study.trials
            if trial.state in (states.COMPLETE, states.PRUNED) or _ERROR in trial.user_attrs
        ]
        found = [self._outcome(trial, kinds[trial.state]) for trial in ended if trial.state in kinds]
        return sorted(found, key=lambda outcome: outcome.number)

    def _outcome(self, trial: Any, status: Status) -> Outcome:
        curve = sorted(trial.intermediate_values.items())
        return Outcome(
            number=_place(trial),
            values={key: self.space[key].shown(value) for key, value in trial.params.items()},
            status=status,
            score=None if status == "failed" else trial.value if status == "whole" else curve[-1][1],
            curve=curve,
            seconds=trial.duration.total_seconds() if trial.duration is not None else 0.0,
            error=trial.user_attrs.get(_ERROR),
        )

    def best(self) -> Outcome | None:
        """The best whole trial; of equals the first."""
        whole = [each for each in self.outcomes() if each.status == "whole" and each.score is not None]
        sign = 1.0 if self.maximise else -1.0
        return max(whole, key=lambda each: sign * (each.score or 0.0), default=None)

    def importances(self) -> dict[str, float]:
        """How much of the difference between good and other scores each key explains, adding up to 1; empty
        where there are too few scores to say.

        Source: Watanabe et al. 2023, PED-ANOVA.
        """
        whole = [each.score for each in self.outcomes() if each.status == "whole"]
        if len(whole) < _WHOLE_TRIALS or len(set(whole)) == 1:
            return {}
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
        found: dict[str, float] = self._optuna.importance.get_param_importances(
            self.study, evaluator=evaluator
        )
        return found


def _place(trial: Any) -> int:
    return int(trial.user_attrs.get(_PLACE, trial.number))


class _NoLock:
    """The directory is held already, and a lock of optuna's own would outlive a process that is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _whole_lines(path: Path) -> Path:
    """`path` without the part of a line that a killed process left at its end."""
    if path.exists():
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            with atomic_write(path) as stream:
                stream.write(whole)
    return path
