"""The way to a Ray cluster: one that runs, or one that is started here; and quiet on the way."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from erya.errors import ConfigError
from erya.runtime import available_cores, require

# Items on their way between processes: a share of the memory, not less than Ray insists on.
_STORE_SHARE, _LEAST_STORE_BYTES = 8, 128 << 20
_CONNECT_TIMEOUT_S = 10.0
# Read when Ray is first imported. No statistics are sent, what its processes have to say stays in its log
# files, and a cluster that does not answer is asked once (40 s), not twenty times.
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
_ADDRESS_SETTINGS = {"RAY_NUM_REDIS_GET_RETRIES": "1"}


def prepare(address: str | None) -> None:
    """Say how Ray is to behave; to be called before it is imported. What the user has set stays."""
    for name, value in (_SETTINGS | (_ADDRESS_SETTINGS if address else {})).items():
        os.environ.setdefault(name, value)


def connect(address: str | None, *, workers: int | None, memory_bytes: int) -> bool:
    """Connect this process to a cluster.

    Args:
        address: host:port, or `auto`: the one running on this machine; None: start one.
        workers: processors of a cluster that is started; None: as many as this process may use.
        memory_bytes: what a cluster that is started may use.
    Returns:
        Whether `disconnect` is to be called; False where this process was connected before.
    Raises:
        ConfigError: no cluster answers at `address`.
        MissingExtraError: Ray is not installed.
    """
    prepare(address)
    ray = require("ray")
    if ray.is_initialized():
        return False
    store = max(memory_bytes // _STORE_SHARE, _LEAST_STORE_BYTES)
    own: dict[str, Any] = {
        "num_cpus": workers or available_cores(),
        "num_gpus": 0,
        "object_store_memory": store,
        "include_dashboard": False,
    }
    if address is not None:
        own = {}
        _require_answer(address)
    try:
        # "local" starts one even where RAY_ADDRESS names another.
        with _deaf():
            ray.init(address=address or "local", logging_level=logging.CRITICAL, log_to_driver=False, **own)
    except (OSError, ValueError, RuntimeError) as error:
        raise _no_cluster(address, str(error)) from None
    _be_quiet()
    return True


def disconnect() -> None:
    """Leave the cluster; one that was started here ends."""
    require("ray").shutdown()


def _require_answer(address: str) -> None:
    """Ask whether anything listens there: Ray would take minutes to find out."""
    host, colon, port = address.rpartition(":")
    if address == "auto":
        return
    if "://" in address or not colon or not port.isdecimal():
        raise ConfigError(
            f"not the address of a Ray cluster: {address!r}",
            where="--address",
            hint="run on a machine of the cluster and give HOST:PORT, as ray start prints it, or auto",
        )
    try:
        with socket.create_connection((host, int(port)), timeout=_CONNECT_TIMEOUT_S):
            return
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str | None, reason: str) -> ConfigError:
    if address is None:
        return ConfigError(f"Ray cannot start on this machine: {reason}", hint="use --engine local")
    return ConfigError(
        f"no Ray cluster answers: {reason}",
        where=f"--address {address}",
        hint="start one with: ray start --head, and on its other machines: ray start --address HOST:PORT",
    )


def _be_quiet() -> None:
    """What goes wrong is raised; how Ray goes about it stands in its log files."""
    require("ray.data")  # sets its loggers up when it is imported
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def _deaf() -> Iterator[None]:
    """Lose what is written to stderr for a while: Ray tells there which settings it has found."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
