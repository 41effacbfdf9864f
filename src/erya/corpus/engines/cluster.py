"""The Ray engine: the same functions over the machines of a cluster (extra `cluster`).

Workers write their units into the job's directory themselves, so it has to lie where all machines see it.
"""

from __future__ import annotations

import pickle
import secrets
import warnings
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from erya import __version__
from erya.corpus.engines.cluster_work import Apply, Expand, Look, Place, look
from erya.corpus.engines.connection import connect, disconnect, prepare
from erya.corpus.engines.local import EngineName
from erya.errors import ConfigError, EryaError, StorageError
from erya.runtime import require

Source = TypeVar("Source")
Item = TypeVar("Item")
Result = TypeVar("Result")

# Reading mostly waits; what a machine has goes to the workers.
_READING_CPUS, _WORKING_CPUS = 0.1, 0.9
# An item whose worker died is tried so often again: it may be the item that kills them.
_RETRIES = 3
# An item a worker is at, and one that waits for it.
_ITEMS_AT_A_WORKER = 2
# Items on their way are megabytes each; so much of them may wait for a worker.
_WAITING_BYTES = 32 << 20
# Ray holds a task for each block of sources; more of them than this share blocks.
_MOST_SOURCE_BLOCKS = 10_000
_LOOK_TIMEOUT_S = 60.0


class RayEngine:
    """Ray Data over a running cluster, or over one that lives as long as the engine is open.

    It connects when there is something to do.

    Args:
        workers: how many processes of the cluster may work at a time; None: as many as it has processors.
        address: of the cluster, as `ray start` prints it, or `auto`; None starts one on this machine.
        memory_bytes: what a cluster that is started here may use.
    """

    name: EngineName = "ray"

    def __init__(
        self, workers: int | None = None, *, address: str | None = None, memory_bytes: int = 2 << 30
    ) -> None:
        prepare(address)
        require("ray")
        self._workers, self._address, self._memory_bytes = workers, address, memory_bytes
        self._is_connected = self._is_ours = False

    @property
    def workers(self) -> int:
        """See `Engine.workers`."""
        if self._workers is None:
            self._connect()
            self._workers = max(1, int(require("ray").cluster_resources().get("CPU", 1)))
        return self._workers

    def map(
        self,
        function: Callable[[Item], Result],
        sources: Sequence[Source],
        *,
        expand: Callable[[Source], Iterable[Item]],
    ) -> Generator[Result, None, None]:
        """See `Engine.map`."""
        if not sources:
            return
        self._connect()
        with warnings.catch_warnings():
            # That retries are to be set in another way, which there is not yet.
            warnings.simplefilter("ignore", DeprecationWarning)
            rows = self._dataset(function, sources, expand).iter_rows()
        try:
            for row in rows:
                result = pickle.loads(row["result"])
                if isinstance(result, EryaError | OSError):
                    raise result
                yield result
        except require("ray.exceptions").RayError as error:
            raise _said_plainly(error) from error
        finally:
            del rows

    def _dataset(self, function: Callable[[Any], Any], sources: Sequence[Any], expand: Any) -> Any:
        data = require("ray.data")
        place = Place.here()
        rows = [{"source": pickle.dumps(source)} for source in sources]
        blocks = min(len(rows), _MOST_SOURCE_BLOCKS)
        read = data.from_items(rows, override_num_blocks=blocks)
        self._set_up(read.context)
        return read.flat_map(
            Expand(expand, place),
            num_cpus=_READING_CPUS,
            concurrency=min(self.workers, blocks),
            ray_remote_args_fn=_reading_retries,
        ).map_batches(
            Apply,
            fn_constructor_args=(require("ray.cloudpickle").dumps(function), place),
            batch_size=1,
            compute=data.ActorPoolStrategy(
                min_size=1, max_size=self.workers, max_tasks_in_flight_per_actor=_ITEMS_AT_A_WORKER
            ),
            num_cpus=_WORKING_CPUS,
            ray_remote_args_fn=_working_retries,
        )

    def _set_up(self, context: Any) -> None:
        """The settings of one dataset; those of others in this process stay as they are."""
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        # Every item is a block of its own: of a larger one, all items would go to the same worker.
        context.target_max_block_size = 1
        # Without a limit, reading would fill a good part of the cluster's memory with items that wait.
        limits = require("ray.data").ExecutionResources.for_limits
        context.execution_options.resource_limits = limits(object_store_memory=self.workers * _WAITING_BYTES)

    def require_shared(self, directory: Path) -> None:
        """See `Engine.require_shared`; also makes sure that all machines have this version of Erya.

        Raises:
            StorageError: a machine does not see the directory.
            ConfigError: a machine has another version.
        """
        self._connect()
        seen = directory.absolute() / f".seen.{secrets.token_hex(8)}.partial"
        seen.touch()
        try:
            looks = _ask_machines(seen)
        except require("ray.exceptions").RayError as error:
            raise _said_plainly(error) from error
        finally:
            seen.unlink()
        for found in looks:
            if not found.sees:
                raise StorageError(
                    f"the machine {found.machine} of the cluster does not see this directory",
                    where=str(directory.absolute()),
                    hint="choose --out on storage that all machines have under the same name, such as NFS",
                )
            if found.version != __version__:
                raise ConfigError(
                    f"the machine {found.machine} of the cluster has Erya {found.version}, this one has"
                    f" {__version__}",
                    hint="install the same version everywhere",
                )

    def close(self) -> None:
        """See `Engine.close`."""
        if self._is_ours:
            disconnect()
        self._is_connected = self._is_ours = False

    def _connect(self) -> None:
        if not self._is_connected:
            self._is_ours = connect(self._address, workers=self._workers, memory_bytes=self._memory_bytes)
            self._is_connected = True


def _ask_machines(file: Path) -> list[Look]:
    """What every machine of the cluster says when it is asked to look for a file."""
    ray = require("ray")
    affinity = require("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    task = ray.remote(num_cpus=0, max_retries=_RETRIES)(look)
    nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
    asked = [task.options(scheduling_strategy=affinity(node, soft=False)).remote(str(file)) for node in nodes]
    looks: list[Look] = ray.get(asked, timeout=_LOOK_TIMEOUT_S)
    return looks


def _reading_retries() -> dict[str, Any]:
    return {"max_retries": _RETRIES}


def _working_retries() -> dict[str, Any]:
    return {"max_task_retries": _RETRIES, "max_restarts": -1}


def _said_plainly(error: Exception) -> Exception:
    """What Ray says of a worker, as a user wants to hear it; a bug of ours stays what it is."""
    is_ours: bool = isinstance(error, require("ray.exceptions").RayTaskError)
    if is_ours:
        return error
    return EryaError(
        f"the Ray cluster lost work: {str(error).splitlines()[0]}",
        hint="most often the memory of a machine ran out, or a machine went away: use fewer workers; the same"
        " command goes on where this one stopped",
    )
