"""What rounding depends on besides the recipe."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from erya.runtime import keep_freed_memory, usable_threads
from erya.train.ranks import Ranks, environment_ranks


def use_processor(threads: int | None) -> None:
    """Compute with so many threads, None: as many as are for this process, and keep freed memory."""
    torch.set_num_threads(threads or usable_threads(num_processes=environment_ranks().num_local))
    keep_freed_memory()


def machine_of(device: torch.device, dtype: torch.dtype, ranks: Ranks) -> dict[str, str]:
    """What the arithmetic of this run is done on."""
    return {
        "device": device.type,
        "precision": str(dtype).removeprefix("torch."),
        "threads": str(torch.get_num_threads()),
        "ranks": str(ranks.num_ranks),
        "deterministic": str(torch.are_deterministic_algorithms_enabled()),
        "torch": torch.__version__,
    }


def machine_changes(was: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """What to tell about a run that is resumed on another machine; None when it is the same."""
    changes = [f"{key} {value} -> {now[key]}" for key, value in was.items() if value != now[key]]
    if not changes:
        return None
    return f"resumed under other conditions, so losses differ in rounding: {', '.join(changes)}"
