"""`erya pretrain RECIPE --estimate`: what a run will cost, on a screen."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from erya.cli.console import print_json, results
from erya.errors import ConfigError

if TYPE_CHECKING:
    from erya.pretrain.estimate import Estimate
    from erya.pretrain.recipe import PretrainRecipe
    from erya.train.protocols import Tell


def show_estimate(
    recipe: PretrainRecipe, *, hardware: str | None, as_json: bool, tell: Tell, with_probes: bool = False
) -> None:
    """Print what the run of `recipe` costs here and on named hardware.

    Args:
        recipe: the run.
        hardware: the machine to reckon it for; None for all there are figures of.
        as_json: print one JSON object.
        tell: is given what the run itself would say.
        with_probes: whether the run shall be probed, which no estimate has in it.
    Raises:
        ConfigError: there are no figures of that hardware, or there are several processes.
    """
    from erya.train.ranks import environment_ranks

    if not environment_ranks().is_alone:
        raise ConfigError(
            "an estimate is of one process, and torchrun started several",
            hint="run it without torchrun; docs/scale.md says what more processes make of it",
        )
    if with_probes:
        tell("note: probes are not in the estimate: each is a fine-tuning on TRAIN, of four epochs")
    from erya.pretrain.estimate import estimate
    from erya.pretrain.hardware import HARDWARE, hardware_called

    machines = list(HARDWARE.values()) if hardware is None else [hardware_called(hardware)]
    found = estimate(recipe, hardware=machines, tell=tell)
    if as_json:
        print_json(as_values(found))
    else:
        _print(found)


def as_values(found: Estimate) -> dict[str, Any]:
    """The estimate as plain values, with the totals."""
    values = asdict(found) | {"total_s": found.total_s}
    values["memory"]["total"] = found.memory.total
    return values


def _print(found: Estimate) -> None:
    from rich.table import Table

    here = Table.grid(padding=(0, 2))
    for name, value in _facts(found).items():
        here.add_row(name, value)
    there = Table(title="on other hardware, from operations alone", title_justify="left")
    for name in ("hardware", "time", "at", "micro-batch that fits", "utilisation is"):
        there.add_column(name)
    for other in found.elsewhere:
        machine = other.hardware
        speed = f"{machine.utilisation:.0%} of {machine.peak_flops / 1e12:,.4g} TFLOP/s"
        fits = f"{other.micro_batch_tokens:,} tokens" if other.micro_batch_tokens else "none"
        row = (
            machine.name,
            duration(other.seconds),
            speed,
            fits,
            machine.utilisation_source.partition(":")[0],
        )
        there.add_row(*row)
    results.print(here)
    results.print(there)


def _facts(found: Estimate) -> dict[str, str]:
    """Names and values for a person."""
    length, memory, speed = found.length, found.memory, found.length.tokens / found.training_s
    training, evaluation, saving = map(duration, (found.training_s, found.evaluation_s, found.checkpoint_s))
    return {
        "data": f"{found.sequences:,} sequences, {found.epoch_tokens:,} tokens an epoch",
        "length": f"{length.steps:,} steps, {length.tokens:,.0f} tokens, {length.epochs:.2f} epochs",
        "model": f"{found.num_parameters / 1e6:,.1f} M parameters",
        "operations": f"{found.flops:.3g} FLOP, {found.timing.flops_per_token / 1e6:,.4g} M a token",
        "memory": f"{size(memory.total)}: {size(memory.fixed)} for weights and optimiser, the rest for "
        f"micro-batches of {memory.micro_batch_tokens:,} tokens",
        "disk": f"{size(found.disk_bytes)}: checkpoints of {size(found.checkpoint_bytes)} and the model",
        "time here": f"{duration(found.total_s)}: {training} in steps of {found.step_s:.3g} s, "
        f"{evaluation} evaluating, {saving} for checkpoints",
        "speed here": f"{speed:,.0f} tokens/s, {found.utilisation:.0%} of the "
        f"{found.timing.matrix_rate / 1e12:.3g} TFLOP/s of a matrix product",
    }


def size(number: float) -> str:
    """Bytes for people: 1.2 GB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= unit:
            return f"{number / unit:.3g} {name}"
    return f"{number:.0f} B"


def duration(seconds: float) -> str:
    """Seconds for people: 3.2 h, 45 min, 12 s."""
    for unit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
