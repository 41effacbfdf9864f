"""Copying named tensors into a module so that nothing stays random, or goes unused, unsaid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from erya.checkpoints.families.family import ENCODER_PREFIX, HEAD_PREFIXES
from erya.checkpoints.info import ABSENT_HEAD
from erya.checkpoints.names import part_of
from erya.errors import CheckpointError
from erya.models.initialise import initialise

POOLER = "encoder.pooler."
MASKED_HEAD = HEAD_PREFIXES["masked_lm"]
CLASSIFIER = HEAD_PREFIXES["classify"]

_log = logging.getLogger("erya.checkpoints")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What happened to each tensor.

    Attributes:
        where: the directory or file.
        num_loaded: tensors copied.
        fresh: parameters the checkpoint lacks, newly drawn at random because the caller allowed it.
        unused: stored tensors of parts the module does not have.
        notes: what else a user should know.
    """

    where: str
    num_loaded: int
    fresh: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """The report in sentences, empty when everything went where it belongs."""
        lines = list(self.notes)
        if self.fresh:
            lines.append(f"not in the checkpoint, starts at random: {_listing(self.fresh)}")
        if any(name.startswith(MASKED_HEAD) for name in self.fresh):
            lines.append(ABSENT_HEAD)
        if self.unused:
            lines.append(f"in the checkpoint, not used here: {_listing(self.unused)}")
        return lines


Reporter = Callable[[LoadReport], None]


def log_notice(where: str, line: str) -> None:
    """Warn of something a caller asked for and does not get."""
    _log.warning("%s: %s", where, line)


def log_report(report: LoadReport) -> None:
    """Log what a reader of the program's messages should know: warnings for what starts at random."""
    level = logging.WARNING if report.fresh else logging.INFO
    for line in report.lines():
        _log.log(level, "%s: %s", report.where, line)


def load_tensors(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    where: str,
    prefix: str = "",
    allow_missing: Sequence[str] = (),
    initializer_range: float = 0.02,
    seed: int = 0,
) -> LoadReport:
    """Copy `tensors` into the parameters of `module` by name.

    What the checkpoint lacks (a pooler, a head, even a layer) may start at random when the caller says so by
    name; a whole part the module lacks is left aside and reported. Everything else must fit exactly.

    Args:
        module: receives the values, in its own number format, in place.
        tensors: values by name, in the space of a whole model (`encoder.*`, `head.*`, `classifier.*`).
        where: the checkpoint, for errors and the report.
        prefix: the module's place in that space: `encoder.` for a bare encoder.
        allow_missing: prefixes of names that may be missing, as long as all names with the prefix are.
        initializer_range: standard deviation for what is missing.
        seed: of the noise for what is missing.
    Returns:
        What was loaded, what starts at random, what was not used.
    Raises:
        CheckpointError: tensors are missing, left over or of another shape; the message lists them.
    """
    targets = {prefix + name: tensor for name, tensor in module.state_dict(keep_vars=True).items()}
    missing = tuple(name for name in targets if name not in tensors)
    extra = tuple(name for name in tensors if name not in targets)
    parts = {part_of(name) for name in targets}
    unused = tuple(name for name in extra if part_of(name) not in parts)
    forbidden = [name for name in missing if not _may_miss(name, allow_missing, tensors)]
    _require_fit(forbidden, [name for name in extra if name not in unused], where)
    _initialise_owners(module, [name.removeprefix(prefix) for name in missing], initializer_range, seed)
    _copy({name: targets[name] for name in targets if name in tensors}, tensors, where)
    return LoadReport(where, len(targets) - len(missing), missing, unused)


def _may_miss(name: str, allowed: Sequence[str], tensors: Mapping[str, Tensor]) -> bool:
    return any(
        name.startswith(prefix) and not any(present.startswith(prefix) for present in tensors)
        for prefix in allowed
    )


def _require_fit(missing: Sequence[str], extra: Sequence[str], where: str) -> None:
    problems = []
    if missing:
        problems.append(f"{len(missing)} missing: {_listing(missing)}")
    if extra:
        problems.append(f"{len(extra)} left over: {_listing(extra)}")
    if problems:
        raise CheckpointError(
            "the tensors do not fit the model; " + "; ".join(problems), where=where, hint=_meaning(missing)
        )


def _meaning(missing: Sequence[str]) -> str | None:
    """What it would mean to go on without what is missing."""
    if missing and all(name.startswith(MASKED_HEAD) for name in missing):
        return ABSENT_HEAD
    if any(name.startswith(ENCODER_PREFIX) and not name.startswith(POOLER) for name in missing):
        return "an encoder that is random in part gives worthless states; these weights are not whole"
    return None


def _initialise_owners(module: nn.Module, names: Sequence[str], initializer_range: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for owner in dict.fromkeys(name.rpartition(".")[0] for name in names):
        initialise(module.get_submodule(owner), initializer_range=initializer_range, generator=generator)


@torch.no_grad()
def _copy(targets: Mapping[str, Tensor], tensors: Mapping[str, Tensor], where: str) -> None:
    wrong = []
    for name, target in targets.items():
        tensor = tensors[name]
        if tensor.shape == target.shape:
            target.copy_(tensor)
        else:
            wrong.append(f"{name} is {tuple(tensor.shape)}, wanted {tuple(target.shape)}")
    if wrong:
        raise CheckpointError(
            f"{len(wrong)} tensors have another shape than the configuration says: {_listing(wrong)}",
            where=where,
        )


def _listing(names: Sequence[str]) -> str:
    """Names with commas; a long list is cut and says by how much."""
    shown = ", ".join(names[:20])
    return f"{shown} and {len(names) - 20} more" if len(names) > 20 else shown
