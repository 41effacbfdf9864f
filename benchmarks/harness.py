"""Contenders take turns in one run, each in a process of its own, so that drift hits all alike.

A process of its own also makes peak memory a contender's own.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from multiprocessing.connection import Connection
from pathlib import Path

# Builds a contender; calling what it returns does one round and gives the units it processed.
Setup = Callable[[], Callable[[], float]]


@dataclass(frozen=True)
class Result:
    """One contender: units a second of each round, and its peak memory in bytes, on a GPU the GPU's."""

    name: str
    rates: list[float]
    peak_bytes: int

    @property
    def median(self) -> float:
        return statistics.median(self.rates)


def compete(
    contenders: Mapping[str, Setup], *, rounds: int, threads: int, warmup: int = 2, warm_turns: bool = False
) -> list[Result]:
    """Run the contenders in turns, A B A B ..., `rounds` counted rounds each.

    With `warm_turns` each turn is a round that is not counted and one that is: a process that was idle for
    half a minute is slower at first than in the long run, which is what a training run is.
    """
    os.environ.update(
        OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads), TOKENIZERS_PARALLELISM="false"
    )
    context = multiprocessing.get_context("spawn")
    pipes, processes = {}, []
    for name, setup in contenders.items():
        here, there = context.Pipe()
        process = context.Process(target=_serve, args=(setup, there, threads), daemon=True)
        process.start()
        pipes[name] = here
        processes.append(process)
        assert here.recv() == "ready"
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for round_number in range(warmup + rounds):
        for name, pipe in pipes.items():
            for _ in range(2 if warm_turns else 1):
                pipe.send("round")
                units, seconds = pipe.recv()
            if round_number >= warmup:
                rates[name].append(units / seconds)
    results = []
    for name, pipe in pipes.items():
        pipe.send("end")
        results.append(Result(name, rates[name], pipe.recv()))
    for process in processes:
        process.join()
    return results


def _serve(setup: Setup, pipe: Connection, threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    run_round = setup()
    pipe.send("ready")
    while pipe.recv() == "round":
        start = time.perf_counter()
        units = run_round()
        pipe.send((units, time.perf_counter() - start))
    if torch.cuda.is_initialized():
        pipe.send(torch.cuda.max_memory_allocated())
    else:
        pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def table(title: str, results: list[Result], *, unit: str, ours: str) -> str:
    """A Markdown table: medians, spread, peak memory, and how many times each peer `ours` is."""
    mine = next(result for result in results if result.name == ours)
    lines = [
        f"### {title}",
        "",
        f"| contender | {unit}, median | min to max | Erya is | peak memory, MiB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for result in results:
        ratio = "" if result is mine else f"{mine.median / result.median:.2f}x"
        spread = f"{min(result.rates):,.1f} to {max(result.rates):,.1f}"
        peak = f"{result.peak_bytes / 2**20:,.0f}"
        lines.append(f"| {result.name} | {result.median:,.1f} | {spread} | {ratio} | {peak} |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    """The hardware and versions, one line."""
    import torch

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    names = {"amx_bf16": "AMX-BF16", "avx512_bf16": "AVX512-BF16"}
    capabilities = torch.cpu.get_capabilities()
    bf16 = next((name for key, name in names.items() if capabilities.get(key)), "no native bfloat16")
    return f"{date.today()}, {os.cpu_count()} cores of {model} ({bf16}), torch {torch.__version__}"


def save(theme: str, text: str, *, hardware: str = "cpu") -> None:
    """Print a results page and keep it under `results/`."""
    page = Path(__file__).parent / "results" / f"{theme}-{hardware}-{date.today():%Y%m}.md"
    page.parent.mkdir(exist_ok=True)
    page.write_text(text, encoding="utf-8")
    print(text)
    print(f"written to benchmarks/results/{page.name}")
