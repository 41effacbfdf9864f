"""How training scales: measures compute, all-reduce and data on this machine, and predicts 8 to 1,024 GPUs.

The same cost model (`benchmarks/cost_model.py`) is used three times: fitted to points measured here on two
ranks and checked against the step of two ranks, which it has not seen; fitted to NVIDIA's published runs of
BERT-large on one and eight A100s and checked on 256 and at another length; and, with assumptions that
docs/scale.md lists, for H100s. On a machine with CUDA devices `--device cuda` measures there.

    python -m benchmarks.scale
"""

from __future__ import annotations

import argparse
import functools
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from torch import multiprocessing, nn
from torch.nn.parallel import DistributedDataParallel

from benchmarks.cost_model import Cluster, Line, Workload, fit_line, reduce_time, step_time
from benchmarks.harness import machine, save
from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.flops import flops_per_token
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors
from erya.runtime import pick_dtype

LENGTH, MASKED_SHARE = 128, 0.15
SMALL = EncoderConfig(
    vocab_size=21_184, hidden_size=384, num_layers=6, num_heads=6, intermediate_size=1536,
    dropout_prob=0.0, attention_dropout_prob=0.0,
)  # fmt: skip
# Tokens a second that one process reads, masks and packs; a core of the reference machine does more.
_DATA_RATE = 2e6
COMPUTE_SEQUENCES = (4, 8, 16, 32, 64)
REDUCE_MIB = (1, 4, 16, 64, 128)
# NVIDIA DeepLearningExamples, PyTorch BERT-large with LAMB, DGX A100 80 GB, lengths 128 (phase 1) and 512,
# README of release 21.11: devices -> sequences a second. Batches 65,536 and 32,768; gradients in float16.
NVIDIA = {128: {1: 580.0, 8: 4_591.0, 256: 138_294.0}, 512: {1: 210.0, 8: 1_657.0}}
NVIDIA_BATCH = {128: 65_536, 512: 32_768}
LARGE_PARAMETERS, LARGE_FLOPS = 336e6, {128: 1.88e9, 512: 2.05e9}


class WithLoss(nn.Module):
    """A masked language model that returns its mean loss, as the wrapper of a rank wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MaskedLanguageModel(Encoder(SMALL, pooler=False))

    def forward(self, batch: PackedTensors) -> torch.Tensor:
        term = self.model.loss(batch)
        return term.total / term.count


def batch_of(sequences: int, device: torch.device) -> PackedTensors:
    """Random sequences of equal length, 15 % masked."""
    rng = np.random.default_rng(0)
    lengths = np.full(sequences, LENGTH)
    chosen = np.flatnonzero(rng.random(sequences * LENGTH) < MASKED_SHARE)
    ids = rng.integers(5, SMALL.vocab_size, sequences * LENGTH)
    batch = PackedBatch(
        ids=ids.astype(np.int32), type_ids=np.zeros(len(ids), np.uint8), positions=positions_of(lengths),
        bounds=bounds_of(lengths), max_length=LENGTH,
        targets={"masked_positions": chosen, "masked_labels": ids[chosen]},
    )  # fmt: skip
    return PackedTensors.from_batch(batch, device)


def median_s(act: functools.partial[None], device: torch.device, *, rounds: int = 5) -> float:
    """Median seconds of `act`, after two rounds that are not counted."""
    seconds = []
    for _ in range(2 + rounds):
        began = time.perf_counter()
        act()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[2:])


def learn(module: nn.Module, batch: PackedTensors, device: torch.device) -> None:
    """Forward and backward."""
    dtype = pick_dtype("auto", device)
    module.zero_grad(set_to_none=True)
    with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
        loss = module(batch)
    loss.backward()


def flops_of(sequences: int) -> float:
    return sequences * LENGTH * flops_per_token(SMALL, length=LENGTH, masked_share=MASKED_SHARE).total


def rank_points(rank: int, ranks: int, device_type: str, found: dict[str, list[float]]) -> None:
    """What one rank measures; rank 0 notes it down. With one rank nothing is reduced."""
    torch.set_num_threads(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29577", RANK=str(rank), WORLD_SIZE=str(ranks))
    device = torch.device(device_type, rank) if device_type == "cuda" else torch.device("cpu")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    module: nn.Module = WithLoss().to(device)
    points = {}
    points["compute"] = [
        median_s(functools.partial(learn, module, batch_of(sequences, device), device), device)
        for sequences in COMPUTE_SEQUENCES
    ]
    sizes = [torch.zeros(mib << 18, device=device) for mib in REDUCE_MIB]
    points["reduce"] = [median_s(functools.partial(dist.all_reduce, size), device) for size in sizes]
    spread = DistributedDataParallel(module)
    points["ranks"] = [
        median_s(functools.partial(learn, spread, batch_of(sequences, device), device), device)
        for sequences in COMPUTE_SEQUENCES
    ]
    if rank == 0:
        found.update(points)
    dist.destroy_process_group()


def measured_here(device_type: str) -> str:
    """Fit the model to points of two ranks of this machine and compare it with their common step."""
    with multiprocessing.Manager() as manager:
        found = manager.dict()
        multiprocessing.spawn(rank_points, (2, device_type, found), nprocs=2)
        points = dict(found)
    compute = fit_line([flops_of(s) for s in COMPUTE_SEQUENCES], points["compute"])
    # Two ranks: each sends its half twice, which is the size itself.
    reduce = fit_line([mib * 2**20 for mib in REDUCE_MIB], points["reduce"])
    # gloo reduces with the same cores that compute: nothing hides. NCCL has its own engines.
    overlap = 0.8 if device_type == "cuda" else 0.0
    here = Cluster("here", compute, 2, reduce, reduce, memory_rate=2e10, jitter=0.0, overlap=overlap)
    parameters = sum(p.numel() for p in WithLoss().parameters())
    lines = [
        "## Two ranks of this machine\n",
        f"Fitted: {compute.rate / 1e9:,.0f} GFLOP/s a rank and {compute.start * 1e3:.1f} ms a micro-batch; "
        f"all-reduce {reduce.rate / 1e9:.2f} GB/s and {reduce.start * 1e3:.2f} ms.\n",
        "| sequences a rank | compute alone, s | two ranks, s | predicted, s | off by |",
        "| ---: | ---: | ---: | ---: | ---: |",
    ]
    for sequences, alone, both in zip(COMPUTE_SEQUENCES, points["compute"], points["ranks"], strict=True):
        work = Workload(parameters, flops_of(sequences) / sequences / LENGTH, 2 * sequences * LENGTH, 1 << 30)
        predicted = compute.seconds(flops_of(sequences)) + max(
            0.0, reduce_time(here, work, 2) - here.overlap * alone * 2 / 3
        )
        lines.append(
            f"| {sequences} | {alone:.3f} | {both:.3f} | {predicted:.3f} | {predicted / both - 1:+.0%} |"
        )
    return "\n".join(lines) + "\n"


def dgx_a100() -> tuple[Cluster, Workload]:
    """NVIDIA's A100s: the rate is fitted to one device, jitter to eight; the network is what is built in."""
    work = Workload(
        LARGE_PARAMETERS, LARGE_FLOPS[128], NVIDIA_BATCH[128] * 128, 256 * 128, longest=128, gradient_bytes=2
    )
    rate = NVIDIA[128][1] * 128 * LARGE_FLOPS[128]
    # Inside a DGX A100 NCCL's tests report 230 GB/s for an all-reduce; between them a device has 200 Gbit/s,
    # of which four fifths are taken as used. 1.9 TB/s: a device's memory.
    cluster = Cluster("A100", Line(0.0, rate), 8, Line(2e-5, 2.3e11), Line(2e-5, 2e10), 1.9e12, jitter=0.0)
    jitter = search(lambda value: speed(replace(cluster, jitter=value), work, 8), NVIDIA[128][8], 0.0, 0.1)
    return replace(cluster, jitter=jitter), work


def speed(cluster: Cluster, work: Workload, devices: int) -> float:
    """Sequences a second."""
    return work.batch_tokens / work.longest / step_time(cluster, work, devices).total


def search(falling: Callable[[float], float], target: float, low: float, high: float) -> float:
    """Where a falling function is nearest to `target` between `low` and `high`, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > target else (low, middle)
    return (low + high) / 2


def published() -> str:
    """The model fitted to NVIDIA's runs on one device and eight, and what it says of others."""
    cluster, work = dgx_a100()
    long = replace(work, flops_per_token=LARGE_FLOPS[512], batch_tokens=NVIDIA_BATCH[512] * 512, longest=512)
    # Attention at 512 runs at another share of the peak: the rate is that of one device at that length.
    at_512 = replace(cluster, compute=Line(0.0, NVIDIA[512][1] * 512 * LARGE_FLOPS[512]))
    lines = [
        "## NVIDIA's BERT-large on DGX A100\n",
        f"Fitted: a device's own rate at each length, and jitter, {cluster.jitter:.2%} of a step.\n",
        "| length | devices | published, sequences/s | model | off by | fitted to it |",
        "| ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for length, of, load in ((128, cluster, work), (512, at_512, long)):
        for devices, seen in NVIDIA[length].items():
            said = speed(of, load, devices)
            fitted = "yes" if devices == 1 or (length, devices) == (128, 8) else "no"
            lines.append(
                f"| {length} | {devices} | {seen:,.0f} | {said:,.0f} | {said / seen - 1:+.1%} | {fitted} |"
            )
    return "\n".join(lines) + "\n"


def h100() -> Cluster:
    """H100s, eight a node: 45 % of 989 TFLOP/s, 370 GB/s inside a node, 40 of 50 GB/s a device between."""
    jitter = dgx_a100()[0].jitter
    compute, inside, between = Line(1e-3, 0.45 * 989e12), Line(2e-5, 3.7e11), Line(2e-5, 4e10)
    return Cluster("H100", compute, 8, inside, between, 3.3e12, jitter=jitter)


def predictions() -> str:
    """Steps on 8 to 1,024 H100s, for a global batch that stays and for one that grows with them."""
    lines = ["## 8 to 1,024 H100s, predicted\n"]
    for name, parameters, flops in (("12 x 768", 102e6, 0.56e9), ("24 x 1024", 326e6, 1.9e9)):
        for title, stays, grows in (("2 M tokens a batch", 1 << 21, 0), ("64 k tokens a device", 0, 1 << 16)):
            lines += [
                f"### {name}, {title}\n",
                "| GPUs | step, ms | compute | waiting | data | reduce | optimiser | M tokens/s | linear |",
                "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
            ]
            works = {
                devices: Workload(parameters, flops, stays + grows * devices, 1 << 16, data_rate=_DATA_RATE)
                for devices in (8, 16, 32, 64, 128, 256, 512, 1024)
            }
            lines += [_prediction(h100(), work, devices, works[8]) for devices, work in works.items()]
            lines.append("")
    return "\n".join(lines) + "\n"


def _prediction(cluster: Cluster, work: Workload, devices: int, of_eight: Workload) -> str:
    """One row: where the time goes, and the speed as a share of what eight devices have each."""
    step, eight = step_time(cluster, work, devices), step_time(cluster, of_eight, 8)
    rate = work.batch_tokens / step.total
    share = rate / devices / (of_eight.batch_tokens / eight.total / 8)
    parts = (step.total, step.compute, step.waiting, step.data, step.reduce, step.optimiser)
    cells = " | ".join(f"{seconds * 1e3:.1f}" for seconds in parts)
    return f"| {devices:,} | {cells} | {rate / 1e6:,.1f} | {share:.0%} |"


def main() -> None:
    """Run and write `results/scale-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    pages = [f"# How training scales\n\n{machine()}, one thread a rank.\n\n{__doc__}"]
    pages += [measured_here(arguments.device), published(), predictions()]
    save("scale", "\n".join(pages))


if __name__ == "__main__":
    main()
