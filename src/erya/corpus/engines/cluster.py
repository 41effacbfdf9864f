"""The Ray engine: the same functions over the machines of a cluster (extra `cluster`).

Workers write their units into the job's directory themselves, so it has to lie where all machines see it.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, TypeVar

from erya.corpus.engines.local import EngineName
from erya.errors import ConfigError, EryaError
from erya.runtime import require

Source = TypeVar("Source")
Item = TypeVar("Item")
Result = TypeVar("Result")

# Items are megabytes each; by default Ray Data would wait for a hundred of them before it sends any on.
_BLOCK_BYTES = 8 << 20
# Reading mostly waits; what a machine has goes to the workers.
_READING_CPUS, _WORKING_CPUS = 0.1, 0.9


class RayEngine:
    """Ray Data over a running cluster, or over one that lives as long as the engine's work.

    Args:
        workers: how many processes of the cluster may work at a time.
        address: of the cluster, as `ray start` prints it, or `auto`; None starts one on this machine.
    """

    name: EngineName = "ray"

    def __init__(self, workers: int, *, address: str | None = None) -> None:
        require("ray")
        self.workers, self._address = workers, address

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
        data = require("ray.data")
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = _BLOCK_BYTES
        rows = [{"source": pickle.dumps(source)} for source in sources]
        results = (
            data.from_items(rows, override_num_blocks=len(rows))
            .flat_map(_Expand(expand), num_cpus=_READING_CPUS)
            .map_batches(
                _Apply,
                fn_constructor_args=(require("ray.cloudpickle").dumps(function),),
                batch_size=1,
                compute=data.ActorPoolStrategy(min_size=1, max_size=self.workers),
                num_cpus=_WORKING_CPUS,
            )
        )
        for row in results.iter_rows():
            result = pickle.loads(row["result"])
            if isinstance(result, EryaError):
                raise result
            yield result

    def _connect(self) -> None:
        ray = require("ray")
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        own = {} if self._address else {"num_cpus": self.workers + 1, "include_dashboard": False}
        try:
            ray.init(address=self._address, logging_level=logging.ERROR, log_to_driver=False, **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"no Ray cluster answers: {error}",
                where=f"--address {self._address}",
                hint="start one with: ray start --head",
            ) from None
        # What goes wrong is raised; how Ray goes about it is nobody's concern here.
        logging.getLogger("ray").setLevel(logging.CRITICAL)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)


class _Expand:
    """Reads a source: a row for each of its items.

    A user's mistake travels as an item: Ray would wrap what is raised in its own.
    """

    def __init__(self, expand: Callable[[Any], Iterable[Any]]) -> None:
        self._expand = expand

    def __call__(self, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            for item in self._expand(pickle.loads(row["source"])):
                yield {"item": pickle.dumps(item)}
        except EryaError as error:
            yield {"item": pickle.dumps(error)}


class _Apply:
    """Lives in a worker process of the cluster with one copy of the function."""

    def __init__(self, function: bytes) -> None:
        self._function = pickle.loads(function)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"result": [pickle.dumps(self._work(pickle.loads(item))) for item in batch["item"]]}

    def _work(self, item: Any) -> Any:
        if isinstance(item, EryaError):
            return item
        try:
            return self._function(item)
        except EryaError as error:
            return error
