"""Checkpoints: whole or absent, verified when loaded, with a way back to the one before."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from torch import Tensor, nn

from erya.errors import CheckpointError
from erya.files import publish_directory, sha256_of, storage_error
from erya.train.checkpoint_files import tensor_files, write_tensors
from erya.train.checkpoint_tensors import copy_tensors, load_tensors
from erya.train.identity import IDENTITY
from erya.train.optimisers.members import Optimisers
from erya.train.protocols import Tell
from erya.train.ranks import ALONE, Ranks
from erya.train.state import RunState

STATE, SUMS = "state.json", "SHA256SUMS"
_NAME = re.compile(r"step-(\d+)")


class Checkpoints:
    """The checkpoints of a run: `step-N/` with weights, running means, state and checksums.

    They are written in the background: training goes on as soon as the tensors are copied.

    Args:
        directory: where they lie; leftovers of a write that was killed are removed, so the caller must hold
            the run directory for itself.
        keep: how many of the last ones stay.
        ranks: who writes them together; only the first looks at names and sums.
    """

    def __init__(self, directory: Path, *, keep: int, ranks: Ranks = ALONE) -> None:
        self.directory, self._keep, self._ranks = directory, keep, ranks
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="erya-checkpoints")
        self._pending: tuple[int, Future[None]] | None = None
        for leftover in directory.glob(".step-*") if ranks.is_first else ():
            shutil.rmtree(leftover, ignore_errors=True)

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, ascending; whether they are whole is not looked at."""
        return find_steps(self.directory)

    def path(self, step: int) -> Path:
        return self.directory / f"step-{step}"

    def save(
        self,
        module: nn.Module,
        optimiser: Optimisers,
        state: RunState,
        *,
        identity: Mapping[str, Any],
        extra: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Copy what the checkpoint of `state.step` has to hold, and begin to write it in the background.

        When it is whole, checkpoints that are too many are removed, but not the best step's. All ranks call
        this together.

        Args:
            module: whose weights to save.
            optimiser: whose running means to save.
            state: where the run is.
            identity: what makes this run this run; compared when it is resumed.
            extra: other tensors to save, by name.
        Raises:
            StorageError: the disk refused the checkpoint begun before; those before that are as they were.
        """
        self.settle(wait=True)
        tensors = copy_tensors(module, optimiser.members, extra or {}, is_first=self._ranks.is_first)
        content = {"state": state.model_dump(), "identity": identity}
        text = json.dumps(content, ensure_ascii=False, indent=2)
        kept = {state.step, state.best_step}
        self._pending = state.step, self._thread.submit(self._write, state.step, tensors, text, kept)

    @property
    def failed(self) -> bool:
        """Whether the checkpoint begun last could not be written; `settle` says why."""
        return self._pending is not None and self._pending[1].done() and bool(self._pending[1].exception())

    def settle(self, *, wait: bool) -> int | None:
        """Hear of the checkpoint begun last, once.

        Args:
            wait: until it is whole. Otherwise nothing is heard of one that is being written, or has failed.
        Returns:
            Its step when it has become whole; otherwise None.
        Raises:
            StorageError: `wait`, and the disk refused.
        """
        if self._pending is None or not (wait or (self._pending[1].done() and not self.failed)):
            return None
        (step, written), self._pending = self._pending, None
        written.result()
        return step

    def close(self) -> None:
        """Wait for what is being written, whatever becomes of it."""
        self._thread.shutdown(wait=True)

    def _write(self, step: int, tensors: dict[str, Tensor], state: str, kept: Collection[int | None]) -> None:
        """Write a checkpoint aside and give it its name when it is whole and on the disk."""
        path = self.path(step)
        aside = path.with_name(f".{path.name}.partial")
        try:
            if self._ranks.is_first:
                shutil.rmtree(aside, ignore_errors=True)
                # Ranks that are ahead make it, too; they write nothing before all have told what they will.
                aside.mkdir(parents=True, exist_ok=True)
            write_tensors(tensors, aside, self._ranks.background)
            self._ranks.first_alone(lambda: self._publish(aside, path, state, kept))
        except OSError as error:
            raise storage_error(error, path) from error
        finally:
            if self._ranks.is_first:
                shutil.rmtree(aside, ignore_errors=True)

    def _publish(self, aside: Path, path: Path, state: str, kept: Collection[int | None]) -> None:
        (aside / STATE).write_text(state, encoding="utf-8")
        (aside / SUMS).write_text(_sums(aside), encoding="utf-8")
        publish_directory(aside, path, replace=True, marker=None)
        for step in self.steps()[: -self._keep]:
            if step not in kept:
                # Renamed first: a checkpoint that is half removed must not look like one.
                doomed = self.path(step).rename(self.directory / f".step-{step}.doomed")
                shutil.rmtree(doomed, ignore_errors=True)

    def latest(self, *, tell: Tell) -> tuple[RunState, dict[str, Any]] | None:
        """State and identity of the last checkpoint that is whole; None when there is none at all.

        A damaged one is renamed to `damaged-step-N`, so that it is neither used nor counted again.

        Args:
            tell: is given a message for each damaged checkpoint.
        Raises:
            CheckpointError: there are checkpoints, but all are damaged.
        """
        steps = self.steps()
        for step in reversed(steps):
            damage = self.damage(step)
            if damage is None:
                return self._read_state(step)
            aside = self.path(step).with_name(f"damaged-step-{step}")
            shutil.rmtree(aside, ignore_errors=True)
            self.path(step).rename(aside)
            tell(f"the checkpoint of step {step} is damaged ({damage}): moved to {aside.name}, going back")
        if steps or any(self.directory.glob("damaged-step-*")):
            raise CheckpointError(
                "no checkpoint of this run is whole",
                where=str(self.directory),
                hint="start over with --no-resume, or in another directory",
            )
        return None

    def damage(self, step: int) -> str | None:
        """What is wrong with the checkpoint of `step`; None when its files are what was written."""
        return damage_of(self.path(step))

    def load(
        self,
        step: int,
        module: nn.Module,
        optimiser: Optimisers | None,
        *,
        extra: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Put the weights, and with `optimiser` its running means, of `step` in place. All ranks together.

        Args:
            step: which checkpoint.
            module: takes the weights.
            optimiser: takes the running means.
            extra: tensors that take what was saved as `extra` under their names.
        Raises:
            CheckpointError: the tensors are not those of this module.
        """
        members = () if optimiser is None else optimiser.members
        load_tensors(self.path(step), module, members, extra or {}, alone=self._ranks.is_alone)

    def _read_state(self, step: int) -> tuple[RunState, dict[str, Any]]:
        path = self.path(step) / STATE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            identity: dict[str, Any] = content["identity"]
            return RunState.model_validate(content["state"]), {key: identity[key] for key in IDENTITY}
        except (ValueError, KeyError, TypeError) as error:
            keys = [".".join(map(str, each["loc"])) for each in _faults(error)] or [str(error)]
            raise CheckpointError(
                f"written by another version of erya: {', '.join(keys)}",
                where=str(path),
                hint="go on with that version, or start over with --no-resume",
            ) from None


def find_steps(directory: Path) -> list[int]:
    """The steps that have a checkpoint in `directory`, ascending; whether they are whole is not looked at."""
    found = (_NAME.fullmatch(path.name) for path in directory.glob("step-*"))
    return sorted(int(match[1]) for match in found if match)


def damage_of(path: Path) -> str | None:
    """What is wrong with the checkpoint in the directory `path`; None when its files are what was written."""
    try:
        same = (path / SUMS).read_text(encoding="utf-8") == _sums(path)
    except OSError as error:
        return f"{Path(error.filename or path).name}: {error.strerror}"
    except ValueError:
        return f"{SUMS} is no text"
    return None if same else "its files changed since they were written"


def _faults(error: Exception) -> list[ErrorDetails]:
    """What is wrong with each key, where a model says it."""
    return error.errors() if isinstance(error, ValidationError) else []


def _sums(directory: Path) -> str:
    """The checksums of a checkpoint's files, as `sha256sum -c` reads them."""
    return "".join(f"{sha256_of(directory / name)}  {name}\n" for name in [*tensor_files(directory), STATE])
