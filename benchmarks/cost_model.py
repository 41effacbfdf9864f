"""How long a training step takes on many devices, from a few numbers that can be measured on few.

A step is: compute, the wait for the slowest device, the part of the gradients' all-reduce that does not fit
behind the backward pass, and the optimiser. Data is prepared beside the computing and costs what exceeds it.
docs/scale.md says what is assumed and how far the model is off where measurements of others exist.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# An all-reduce moves each byte twice (reduce-scatter, all-gather); an optimiser like AdamW reads gradient,
# weight and two means and writes the last three, all float32.
_PASSES, _OPTIMISER_BYTES = 2, 28
# The backward pass is two thirds of a step's products; a block's gradients are ready when it is through it.
_BACKWARD_SHARE = 2 / 3


@dataclass(frozen=True)
class Line:
    """Seconds as a line over work: `start + work / rate`.

    Attributes:
        start: seconds for no work at all.
        rate: work a second.
    """

    start: float
    rate: float

    def seconds(self, work: float) -> float:
        return self.start + work / self.rate


def fit_line(work: Sequence[float], seconds: Sequence[float]) -> Line:
    """The line through measured points that is best in relative errors; its start is not negative."""
    points, weights = np.asarray(work, float), 1 / np.asarray(seconds, float)
    matrix = np.stack([weights, points * weights], axis=1)
    start, slope = np.linalg.lstsq(matrix, np.ones(len(points)), rcond=None)[0]
    if start < 0:
        start, slope = 0.0, float((points * weights).sum() / (points * weights * points * weights).sum())
    return Line(float(start), 1 / float(slope))


@dataclass(frozen=True)
class Cluster:
    """Devices and what joins them.

    Attributes:
        name: of the device.
        compute: seconds of a micro-batch over its FLOPs, forward and backward.
        per_node: devices of a node.
        inside: all-reduce within a node: seconds over the bytes that one device sends.
        between: the same between nodes, every device with its own share of the network.
        memory_rate: bytes a second of a device's memory.
        jitter: standard deviation of a device's compute time as a share of it.
        overlap: share of the backward pass behind which reducing can hide, in [0, 1].
    """

    name: str
    compute: Line
    per_node: int
    inside: Line
    between: Line
    memory_rate: float
    jitter: float
    overlap: float = 0.8


@dataclass(frozen=True)
class Workload:
    """A model and how it is trained.

    Attributes:
        parameters: trainable numbers.
        flops_per_token: of a step, forward and backward.
        batch_tokens: of the global batch.
        micro_batch_tokens: computed at once on one device, at most.
        longest: tokens of the longest sequence: shares of a batch are equal to within one.
        gradient_bytes: of one number when gradients are reduced.
        data_rate: tokens a second that one process can read, mask and pack.
    """

    parameters: float
    flops_per_token: float
    batch_tokens: int
    micro_batch_tokens: int
    longest: int = 128
    gradient_bytes: int = 4
    data_rate: float = math.inf


@dataclass(frozen=True)
class StepTime:
    """Where the seconds of a step go.

    Attributes:
        compute: of a device with an average share.
        waiting: for the device with the largest share and the slowest device.
        data: what preparing a batch exceeds the computing of one by.
        reduce: of the all-reduce, what does not hide behind the backward pass.
        optimiser: the update of the weights.
    """

    compute: float
    waiting: float
    data: float
    reduce: float
    optimiser: float

    @property
    def total(self) -> float:
        return self.compute + self.waiting + self.data + self.reduce + self.optimiser


def step_time(cluster: Cluster, work: Workload, devices: int) -> StepTime:
    """Predict a data-parallel step on so many devices.

    Raises:
        ValueError: the devices do not fill whole nodes.
    """
    if devices > cluster.per_node and devices % cluster.per_node:
        raise ValueError(f"{devices} devices do not fill nodes of {cluster.per_node}")
    tokens = work.batch_tokens / devices
    micro_batches = max(1, math.ceil(tokens / work.micro_batch_tokens))
    flops = tokens * work.flops_per_token
    compute = micro_batches * cluster.compute.start + flops / cluster.compute.rate
    uneven = 0.0 if devices == 1 else work.longest / 2 * work.flops_per_token / cluster.compute.rate
    waiting = uneven + compute * cluster.jitter * math.sqrt(2 * math.log(devices))
    hidden = cluster.overlap * _BACKWARD_SHARE * compute / micro_batches
    return StepTime(
        compute=compute,
        waiting=waiting,
        data=max(0.0, tokens / work.data_rate - compute),
        reduce=max(0.0, reduce_time(cluster, work, devices) - hidden),
        optimiser=work.parameters * _OPTIMISER_BYTES / cluster.memory_rate,
    )


def reduce_time(cluster: Cluster, work: Workload, devices: int) -> float:
    """Seconds of the gradients' all-reduce alone: within nodes, then every device's share between nodes."""
    size = work.parameters * work.gradient_bytes
    within = min(devices, cluster.per_node)
    nodes = devices // within
    seconds = 0.0
    if within > 1:
        seconds += cluster.inside.seconds(_PASSES * size * (within - 1) / within)
    if nodes > 1:
        hops = math.log2(nodes)
        sent = _PASSES * size / within * (nodes - 1) / nodes
        seconds += cluster.between.start * hops + sent / cluster.between.rate
    return seconds
