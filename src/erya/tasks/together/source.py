"""The order of batches of several tasks, as a function of (seed, epoch, index)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch
from erya.data.plan import WHOLE, Share
from erya.runtime import generator

_DRAW = 0x70B7  # keeps this stream of random numbers apart from others with the same seed


class Batches(Protocol):
    """A task's own batches, as `ExampleBatches` gives them."""

    def num_batches(self, epoch: int) -> int:
        """Global batches of `epoch`."""
        ...

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        """Those of global batch `index` that `share` computes."""
        ...


class DrawnBatches:
    """A source that draws for every global batch the task it is of.

    A task's own batches come in their own order, epoch after epoch of its own, however often it is drawn.

    Args:
        sources: of each task, two or more.
        alpha: a task of n batches is drawn in proportion to n ** alpha.
        seed: of the draws.
    Source: Sanh et al. 2019, A Hierarchical Multi-task Approach, section 3.2 (proportional sampling);
        Devlin 2018, multilingual BERT, for smoothing by an exponent.
    """

    def __init__(self, sources: Sequence[Batches], *, alpha: float, seed: int = 0) -> None:
        assert len(sources) >= 2
        self._sources, self._seed = sources, seed
        sizes = np.array([source.num_batches(0) for source in sources], dtype=np.float64)
        self._num_batches = int(sizes.sum())
        self.shares = sizes**alpha / (sizes**alpha).sum()
        self._draws = lru_cache(maxsize=4)(self._draw)
        self._before = [np.zeros(len(sources), dtype=np.int64)]  # by epoch: batches each task has had

    def num_batches(self, epoch: int) -> int:
        """As many as the tasks' first epochs have together, in every epoch."""
        return self._num_batches

    def task_of(self, epoch: int, index: int) -> int:
        """Which task global batch `index` of `epoch` is of."""
        return int(self._draws(epoch)[index])

    def batch(self, epoch: int, index: int, share: Share = WHOLE) -> list[PackedBatch]:
        """The micro-batches of global batch `index` of `epoch` that `share` computes."""
        task = self.task_of(epoch, index)
        return self._sources[task].batch(*self.place_of(epoch, index), share)

    def place_of(self, epoch: int, index: int) -> tuple[int, int]:
        """Where in its task's own order global batch `index` of `epoch` stands: epoch and index there."""
        task, draws = self.task_of(epoch, index), self._draws(epoch)
        place = int(self._had(epoch)[task]) + int((draws[:index] == task).sum())
        own_epoch = 0
        while place >= (size := self._sources[task].num_batches(own_epoch)):
            place -= size
            own_epoch += 1
        return own_epoch, place

    def _draw(self, epoch: int) -> NDArray[np.int64]:
        drawn = generator(_DRAW, self._seed, epoch)
        return drawn.choice(len(self._sources), size=self._num_batches, p=self.shares)

    def _had(self, epoch: int) -> NDArray[np.int64]:
        """Batches each task has had before `epoch`. Several threads may count: they find the same."""
        before = list(self._before)
        while len(before) <= epoch:
            counts = np.bincount(self._draw(len(before) - 1), minlength=len(self._sources))
            before.append(before[-1] + counts)
        self._before = before
        return before[epoch]
