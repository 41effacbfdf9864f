"""Tokens a second of a full masked-language optimiser step, beside Hugging Face `BertForMaskedLM`.

The peer runs at its best: sdpa attention, bfloat16 autocast, fused AdamW, on a GPU compiled too. Both see the
same sequences of one length with 15 % of their tokens predicted and drop out with the same probability.

    python -m benchmarks.pretrain                    on this machine's CPU
    python -m benchmarks.pretrain --device cuda      on its GPU, with the share of its matrix rate in use
    python -m benchmarks.pretrain --two-ranks        two CPU ranks beside two independent runs
"""

from __future__ import annotations

import argparse
import functools
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.harness import Result, Setup, compete, machine, save, table
from benchmarks.pretrain_ranks import two_ranks

if TYPE_CHECKING:
    from erya.data.batches import PackedBatch
    from erya.models.config import EncoderConfig

VOCAB_SIZE, MASKED_SHARE = 21_128, 0.15


@dataclass(frozen=True)
class Case:
    """What is trained, on what, where."""

    layers: int
    width: int
    heads: int
    length: int = 128
    sequences: int = 32
    dropout: float = 0.0
    device: str = "cpu"


CPU_CASES = {
    f"{name}, dropout {dropout}": Case(*sizes, dropout=dropout)
    for name, sizes in {"6 x 384": (6, 384, 6), "12 x 768": (12, 768, 12)}.items()
    for dropout in (0.1, 0.0)
}
CUDA_CASES = {
    f"12 x 768, length {length}, dropout {dropout}": Case(
        12, 768, 12, length=length, sequences=32_768 // length, dropout=dropout, device="cuda"
    )
    for length in (128, 512)
    for dropout in (0.1, 0.0)
}


def autocast(device: str) -> AbstractContextManager[object]:
    import torch

    from erya.runtime import pick_dtype

    dtype = pick_dtype("auto", torch.device(device))
    return torch.autocast(device, dtype=dtype, enabled=dtype is torch.bfloat16)


def wait_for(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def sample(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Token ids, shape (sequences, length), and which of them are predicted: 15 % of each sequence."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, VOCAB_SIZE, (case.sequences, case.length))
    chosen = rng.random(ids.shape).argsort(axis=1) < round(MASKED_SHARE * case.length)
    return ids, chosen


def hugging_face(case: Case, *, compiled: bool = False, keeps_memory: bool = False) -> Callable[[], float]:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from erya.runtime import keep_freed_memory

    if keeps_memory:
        keep_freed_memory()
    config = BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=case.width, num_hidden_layers=case.layers,
        num_attention_heads=case.heads, intermediate_size=4 * case.width, hidden_dropout_prob=case.dropout,
        attention_probs_dropout_prob=case.dropout, attn_implementation="sdpa",
    )  # fmt: skip
    model = BertForMaskedLM(config).to(case.device).train()
    forward = torch.compile(model) if compiled else model
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids, chosen = (torch.from_numpy(array).to(case.device) for array in sample(case))
    labels = torch.where(chosen, ids, -100)
    mask = torch.ones_like(ids)

    def step() -> float:
        with autocast(case.device):
            loss = forward(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        wait_for(case.device)
        return ids.numel()

    return step


def erya(case: Case, *, compiled: bool = False, spread: bool = False) -> Callable[[], float]:
    import torch
    from torch.nn.parallel import DistributedDataParallel

    from erya.models.compiled import compile_blocks
    from erya.models.encoder import Encoder
    from erya.models.initialise import initialise
    from erya.models.masked_lm import MaskedLanguageModel
    from erya.nn.packing import PackedTensors
    from erya.pretrain.objectives.masked import MaskedTraining
    from erya.runtime import keep_freed_memory

    keep_freed_memory()  # as every training run does
    config = encoder_config(case)
    model = MaskedLanguageModel(Encoder(config, pooler=False)).train()
    initialise(model, initializer_range=config.initializer_range, generator=torch.Generator().manual_seed(0))
    model.to(case.device)
    if compiled:
        compile_blocks(model.encoder)
    training: torch.nn.Module = MaskedTraining(model)
    if spread:
        training = DistributedDataParallel(training)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    batch, device = packed(case), torch.device(case.device)

    def step() -> float:
        with autocast(case.device):
            (term,) = training(PackedTensors.from_batch(batch, device))
        (term.total / term.count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        wait_for(case.device)
        return batch.num_tokens

    return step


def encoder_config(case: Case) -> EncoderConfig:
    from erya.models.config import EncoderConfig

    return EncoderConfig(
        vocab_size=VOCAB_SIZE, hidden_size=case.width, num_layers=case.layers, num_heads=case.heads,
        intermediate_size=4 * case.width, dropout_prob=case.dropout, attention_dropout_prob=case.dropout,
    )  # fmt: skip


def packed(case: Case) -> PackedBatch:
    from erya.data.batches import PackedBatch, bounds_of, positions_of

    ids, chosen = sample(case)
    lengths = np.full(case.sequences, case.length)
    positions = np.flatnonzero(chosen)
    return PackedBatch(
        ids=ids.reshape(-1).astype(np.int32),
        type_ids=np.zeros(ids.size, dtype=np.uint8),
        positions=positions_of(lengths),
        bounds=bounds_of(lengths),
        max_length=case.length,
        targets={"masked_positions": positions, "masked_labels": ids.reshape(-1)[positions]},
    )


def matrix_rate(device: str, *, size: int = 8192, rounds: int = 20) -> float:
    """Operations a second of a large square bfloat16 product."""
    import torch

    left, right = (torch.randn(size, size, device=device).bfloat16() for _ in range(2))
    for _ in range(3):
        left @ right
    wait_for(device)
    began = time.perf_counter()
    for _ in range(rounds):
        left @ right
    wait_for(device)
    return rounds * 2 * size**3 / (time.perf_counter() - began)


def used_share(case: Case, results: list[Result], rate: float) -> str:
    """How much of the matrix rate each contender uses, counted for both as Erya's own work."""
    from erya.models.flops import flops_per_token

    work = flops_per_token(encoder_config(case), length=case.length, masked_share=MASKED_SHARE).total
    shares = (f"{result.name} {result.median * work / rate:.0%}" for result in results)
    return f"Of {rate / 1e12:.0f} TFLOP/s used: {', '.join(shares)}.\n"


def contenders(case: Case) -> dict[str, Setup]:
    found: dict[str, Setup] = {
        "transformers": functools.partial(hugging_face, case),
        "Erya": functools.partial(erya, case),
    }
    if case.device == "cpu":
        # What Erya asks of the C library, for a peer whose user knows to ask for it.
        found["transformers, freed memory kept"] = functools.partial(hugging_face, case, keeps_memory=True)
    if case.device == "cuda":
        found["transformers, compiled"] = functools.partial(hugging_face, case, compiled=True)
        found["Erya, compiled"] = functools.partial(erya, case, compiled=True)
    return found


def main() -> None:
    """Run and write `results/pretrain-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", default="", help="cases whose name begins so")
    parser.add_argument("--two-ranks", action="store_true")
    arguments = parser.parse_args()
    device, rounds = arguments.device, arguments.rounds
    where = machine() if device == "cpu" else f"{machine()}, {gpu()}"
    pages = [f"# Pre-training speed\n\n{where}, {arguments.threads} threads.\n\n{__doc__}\n"]
    if arguments.two_ranks:
        small = CPU_CASES["6 x 384, dropout 0.0"]
        save("pretrain-ranks", pages[0] + two_ranks(functools.partial(erya, small), rounds=rounds))
        return
    rate = matrix_rate(device) if device == "cuda" else 0.0
    for name, case in (CPU_CASES if device == "cpu" else CUDA_CASES).items():
        if not name.startswith(arguments.only):
            continue
        results = compete(contenders(case), rounds=rounds, threads=arguments.threads)
        pages.append(table(name, results, unit="tokens/s", ours="Erya"))
        if device == "cuda":
            pages.append(used_share(case, results, rate))
    save("pretrain", "\n".join(pages), hardware=device)


def gpu() -> str:
    import torch

    return str(torch.cuda.get_device_name())


if __name__ == "__main__":
    main()
