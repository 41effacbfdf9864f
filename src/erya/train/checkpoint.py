"""Checkpoints: whole or absent, verified when loaded, with a way back to the one before."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from erya.errors import CheckpointError
from erya.files import atomic_directory, sha256_of
from erya.train.optimisers.members import Optimisers
from erya.train.protocols import Tell
from erya.train.state import RunState

TENSORS, STATE, SUMS = "training.pt", "state.json", "SHA256SUMS"
_NAME = re.compile(r"step-(\d+)")


class Checkpoints:
    """The checkpoints of a run: `step-N/` with weights, optimiser, state and checksums.

    Args:
        directory: where they lie; leftovers of a write that was killed are removed, so the caller must hold
            the run directory for itself.
        keep: how many of the last ones stay.
    """

    def __init__(self, directory: Path, *, keep: int) -> None:
        self.directory, self._keep = directory, keep
        for leftover in directory.glob(".step-*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def steps(self) -> list[int]:
        """The steps that have a checkpoint, ascending; whether they are whole is not looked at."""
        found = (_NAME.fullmatch(path.name) for path in self.directory.glob("step-*"))
        return sorted(int(match[1]) for match in found if match)

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
    ) -> Path:
        """Write the checkpoint of `state.step`, then remove the ones that are too many.

        The best step's checkpoint is not removed.

        Args:
            module: whose weights to save.
            optimiser: whose running means to save.
            state: where the run is.
            identity: what makes this run this run; compared when it is resumed.
            extra: other tensors, by name.
        Raises:
            StorageError: the disk refuses; the checkpoints before are as they were.
        """
        path = self.path(state.step)
        with atomic_directory(path, replace=True) as aside:
            tensors = {"module": module.state_dict(), "optimiser": optimiser.state_dict()}
            tensors["extra"] = dict(extra or {})
            _save_tensors(tensors, aside / TENSORS)
            text = json.dumps(
                {"state": state.model_dump(), "identity": identity}, ensure_ascii=False, indent=2
            )
            (aside / STATE).write_text(text, encoding="utf-8")
            (aside / SUMS).write_text(_sums(aside), encoding="utf-8")
        kept = {*self.steps()[-self._keep :], state.step, state.best_step}
        for step in self.steps():
            if step not in kept:
                # Renamed first: a checkpoint that is half removed must not look like one.
                doomed = self.path(step).rename(self.directory / f".step-{step}.doomed")
                shutil.rmtree(doomed, ignore_errors=True)
        return path

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
        path = self.path(step)
        try:
            same = (path / SUMS).read_text(encoding="utf-8") == _sums(path)
        except (OSError, ValueError) as error:
            return str(error)
        return None if same else "its files changed since they were written"

    def load(
        self,
        step: int,
        module: nn.Module,
        optimiser: Optimisers | None,
        *,
        device: torch.device,
        extra: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Put the weights, with `optimiser` its running means, and other tensors of `step` in place.

        Raises:
            CheckpointError: the tensors are not those of this module.
        """
        path = self.path(step) / TENSORS
        tensors = torch.load(path, map_location=device, weights_only=True)
        try:
            module.load_state_dict(tensors["module"], strict=True)
            if optimiser is not None:
                optimiser.load_state_dict(tensors["optimiser"])
            for name, tensor in (extra or {}).items():
                tensor.copy_(tensors["extra"][name])
        except (RuntimeError, ValueError, KeyError) as error:
            raise CheckpointError(f"not a checkpoint of this model: {error}", where=str(path)) from None

    def _read_state(self, step: int) -> tuple[RunState, dict[str, Any]]:
        path = self.path(step) / STATE
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return RunState.model_validate(content["state"]), content["identity"]
        except (ValueError, KeyError, ValidationError) as error:
            raise CheckpointError(f"written by another version of erya: {error}", where=str(path)) from None


def _sums(directory: Path) -> str:
    """The checksums of a checkpoint's files, as `sha256sum -c` reads them."""
    return "".join(f"{sha256_of(directory / name)}  {name}\n" for name in (TENSORS, STATE))


def _save_tensors(tensors: Mapping[str, Any], path: Path) -> None:
    """`torch.save`, failing with the operating system's error and not with what torch makes of it."""
    stream = path.open("wb")
    try:
        torch.save(tensors, stream)
    except RuntimeError as error:
        cause = error.__cause__ or error.__context__
        raise cause if isinstance(cause, OSError) else error from None
    finally:
        stream.close()
