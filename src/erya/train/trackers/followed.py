"""A tracker as a run uses it: no step twice, and no run that dies with its tracker."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress

from erya.errors import EryaError
from erya.train.protocols import Tell
from erya.train.run_file import RunFile, RunStatus, TrackerMark
from erya.train.trackers.tracker import RunInfo, Tracker, TrackerName


class Followed:
    """One tracker of a run.

    A resumed run repeats the steps after its last checkpoint. A tracker that cannot take them back is not
    given them again: they are the same numbers.

    Args:
        name: what the recipe calls the tracker.
        tracker: the tracker.
        file: the run's account; the tracker's mark is kept in it.
        undone: what is cut off metrics.jsonl because the run goes on before it.
        tell: is told when the tracker fails; it is then left alone.
    """

    def __init__(
        self, name: TrackerName, tracker: Tracker, file: RunFile, *, undone: bytes, tell: Tell
    ) -> None:
        self.name, self._tracker, self._file, self._tell = name, tracker, file, tell
        self._works = False  # until it is started
        known = name in file.trackers
        mark = file.trackers.setdefault(name, TrackerMark())
        for group, step in _last_steps(undone).items() if known and not tracker.rewinds else ():
            mark.logged[group] = max(mark.logged.get(group, 0), step)
        self._logged = mark.logged

    def start(self, run: RunInfo) -> None:
        """Begin, or go on where the tracker's mark says."""
        self._works = True
        self._ask(lambda: self._begin(run))

    def log(self, group: str, step: int, values: Mapping[str, float | None]) -> None:
        """Give it the numbers of a step that it does not have."""
        known = {f"{group}/{name}": value for name, value in values.items() if value is not None}
        if step > self._logged.get(group, 0):
            self._ask(lambda: self._tracker.log(step, known))

    def flush(self) -> None:
        self._ask(self._tracker.flush)

    def end(self, status: RunStatus) -> None:
        # A run that ends by an error must end by that error.
        with suppress(EryaError):
            self._ask(lambda: self._tracker.end(status))

    def _begin(self, run: RunInfo) -> None:
        self._file.trackers[self.name].id = self._tracker.start(run)

    def _ask(self, call: Callable[[], None]) -> None:
        if not self._works:
            return
        try:
            call()
        except EryaError:
            raise
        except Exception as error:  # whatever a foreign package or its server may raise
            self._works = False
            self._tell(f"warning: {self.name} failed and is left alone from now on: {error}")


def _last_steps(lines: bytes) -> dict[str, int]:
    """The last step of training and of evaluation in whole lines of metrics.jsonl."""
    last: dict[str, int] = {}
    for line in lines.splitlines(keepends=True):
        if line.endswith(b"\n"):
            with suppress(ValueError, TypeError, KeyError):
                values = json.loads(line)
                group = "eval" if any(name.startswith("eval_") for name in values) else "train"
                last[group] = max(last.get(group, 0), int(values["step"]))
    return last
