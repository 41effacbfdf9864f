"""How many workers the memory and the work are good for."""

from __future__ import annotations

from erya.errors import ConfigError
from erya.runtime import available_cores

# Resident memory, measured on blocks of the size used: a worker, and the process that hands out the work.
WORKER_BYTES = 450 << 20
DRIVER_BYTES = 350 << 20
# Starting a worker (its imports, the segmenter's dictionary) takes as long as cleaning so many bytes.
_BYTES_WORTH_A_WORKER = 8_000_000


def plan_workers(wanted: int | None, *, memory_bytes: int, work_bytes: int, engine_bytes: int = 0) -> int:
    """How many processes to work with.

    Args:
        wanted: what the user asked for; None: as many as the machine has cores and the work is worth.
        memory_bytes: what all processes together may use.
        work_bytes: size of the raw text, compressed or not.
        engine_bytes: what the engine takes beside the workers and this process.
    Raises:
        ConfigError: not even one fits, or not as many as were asked for.
    """
    fixed_bytes = DRIVER_BYTES + engine_bytes
    room = (memory_bytes - fixed_bytes) // WORKER_BYTES
    if room < 1:
        least = (fixed_bytes + WORKER_BYTES) >> 20
        said = f"too little memory to work in: {memory_bytes >> 20} MiB"
        raise ConfigError(said, where="--memory", hint=f"give {least}MiB or more")
    if wanted is None:
        return int(max(1, min(available_cores(), room, work_bytes // _BYTES_WORTH_A_WORKER)))
    if wanted > room:
        raise ConfigError(
            f"{wanted} workers do not fit into {memory_bytes >> 20} MiB",
            where="--workers",
            hint=f"--workers {room}, or --memory {(fixed_bytes + wanted * WORKER_BYTES) >> 20}MiB",
        )
    return wanted
