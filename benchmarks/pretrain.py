"""Tokens a second of a full masked-language optimiser step, beside Hugging Face `BertForMaskedLM`.

The peer runs at its best on a CPU: sdpa attention, bfloat16 autocast, fused AdamW. Both see the same
sequences of 128 tokens with 15 % of them predicted and drop out with the same probability.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager

import numpy as np

from benchmarks.harness import compete, machine, save, table

VOCAB_SIZE, LENGTH, SEQUENCES = 21_128, 128, 32
SIZES = {"6 x 384": (6, 384, 6), "12 x 768": (12, 768, 12)}


def autocast() -> AbstractContextManager[object]:
    import torch

    from erya.runtime import pick_dtype

    dtype = pick_dtype("auto", torch.device("cpu"))
    return torch.autocast("cpu", dtype=dtype, enabled=dtype is torch.bfloat16)


def sample() -> tuple[np.ndarray, np.ndarray]:
    """Token ids, shape (SEQUENCES, LENGTH), and which of them are predicted: 15 % of each sequence."""
    rng = np.random.default_rng(0)
    ids = rng.integers(5, VOCAB_SIZE, (SEQUENCES, LENGTH))
    chosen = rng.random(ids.shape).argsort(axis=1) < round(0.15 * LENGTH)
    return ids, chosen


def hugging_face(size: tuple[int, int, int], dropout: float) -> Callable[[], float]:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    layers, width, heads = size
    config = BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout,
        attn_implementation="sdpa",
    )  # fmt: skip
    model = BertForMaskedLM(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids, chosen = (torch.from_numpy(array) for array in sample())
    labels = torch.where(chosen, ids, -100)
    mask = torch.ones_like(ids)

    def step() -> float:
        with autocast():
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return ids.numel()

    return step


def erya(size: tuple[int, int, int], dropout: float) -> Callable[[], float]:
    import torch

    from erya.data.batches import PackedBatch, bounds_of, positions_of
    from erya.models.config import EncoderConfig
    from erya.models.encoder import Encoder
    from erya.models.initialise import initialise
    from erya.models.masked_lm import MaskedLanguageModel
    from erya.nn.packing import PackedTensors

    layers, width, heads = size
    config = EncoderConfig(
        vocab_size=VOCAB_SIZE, hidden_size=width, num_layers=layers, num_heads=heads,
        intermediate_size=4 * width, dropout_prob=dropout, attention_dropout_prob=dropout,
    )  # fmt: skip
    model = MaskedLanguageModel(Encoder(config, pooler=False)).train()
    initialise(model, initializer_range=config.initializer_range, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    ids, chosen = sample()
    lengths = np.full(SEQUENCES, LENGTH)
    positions = np.flatnonzero(chosen)
    batch = PackedBatch(
        ids=ids.reshape(-1).astype(np.int32),
        type_ids=np.zeros(ids.size, dtype=np.uint8),
        positions=positions_of(lengths),
        bounds=bounds_of(lengths),
        max_length=LENGTH,
        targets={"masked_positions": positions, "masked_labels": ids.reshape(-1)[positions]},
    )

    def step() -> float:
        with autocast():
            term = model.loss(PackedTensors.from_batch(batch, torch.device("cpu")))
        (term.total / term.count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        return batch.num_tokens

    return step


def main() -> None:
    """Run and write `results/pretrain-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", choices=sorted(SIZES), action="append")
    arguments = parser.parse_args()
    pages = [f"# Pre-training speed\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    for name in arguments.size or SIZES:
        for dropout in (0.1, 0.0):
            contenders = {
                "transformers": functools.partial(hugging_face, SIZES[name], dropout),
                "Erya": functools.partial(erya, SIZES[name], dropout),
            }
            results = compete(contenders, rounds=arguments.rounds, threads=arguments.threads)
            pages.append(table(f"{name}, dropout {dropout}", results, unit="tokens/s", ours="Erya"))
    save("pretrain", "\n".join(pages))


if __name__ == "__main__":
    main()
