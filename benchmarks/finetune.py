"""Examples a second of fine-tuning a classifier on real text lengths, beside Hugging Face.

The lengths are those of ChnSentiCorp's training reviews, capped at 256 tokens; batches hold 32 examples.
Each contender works through the same 128 examples: four batches spread evenly over 1,600 reviews sorted by
length, which is what length grouping makes of a real epoch. The peer with dynamic padding and Erya take them
shuffled. The peer runs at its best on a CPU: sdpa attention, bfloat16 autocast, fused AdamW.

The reviews are read from `$ERYA_DATA/tasks/chnsenticorp` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import csv
import functools
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.harness import compete, machine, save, table
from benchmarks.pretrain import VOCAB_SIZE, autocast

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
BATCH, CAP, DROPOUT = 32, 256, 0.1
SIZES = {"6 x 384": (6, 384, 6), "12 x 768": (12, 768, 12)}
Examples = list[tuple[list[int], int]]


def grouped_batches() -> list[Examples]:
    """Four batches of (ids, label), each of examples of similar length."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(str(next((DATA / "tasks" / "vocab").glob("*.txt"))))
    tokenizer.enable_truncation(CAP)
    with lzma.open(DATA / "tasks" / "chnsenticorp" / "train.tsv.xz", "rt", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    picked = np.random.default_rng(0).permutation(len(rows))[:1600]
    encodings = tokenizer.encode_batch([rows[i]["text_a"] for i in picked])
    examples = [(encoding.ids, int(rows[i]["label"])) for encoding, i in zip(encodings, picked, strict=True)]
    examples.sort(key=lambda example: len(example[0]))
    batches = [examples[start : start + BATCH] for start in range(0, len(examples), BATCH)]
    return batches[6::12][:4]


def shuffled_batches() -> list[Examples]:
    """The same examples in random order."""
    examples = [example for batch in grouped_batches() for example in batch]
    order = np.random.default_rng(1).permutation(len(examples))
    return [[examples[i] for i in order[start : start + BATCH]] for start in range(0, len(order), BATCH)]


def hugging_face(size: tuple[int, int, int], batches_of: Callable[[], list[Examples]]) -> Callable[[], float]:
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    layers, width, heads = size
    config = BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, hidden_dropout_prob=DROPOUT, attention_probs_dropout_prob=DROPOUT,
        attn_implementation="sdpa",
    )  # fmt: skip
    model = BertForSequenceClassification(config).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    batches = batches_of()

    def epoch() -> float:
        for batch in batches:
            longest = max(len(ids) for ids, _ in batch)
            ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in batch])
            mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in batch])
            labels = torch.tensor([label for _, label in batch])
            with autocast():
                loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
        return sum(len(batch) for batch in batches)

    return epoch


def erya(size: tuple[int, int, int]) -> Callable[[], float]:
    import torch

    from erya.data.batches import pack
    from erya.data.features import Features
    from erya.models.config import EncoderConfig
    from erya.models.encoder import Encoder
    from erya.models.heads.sequence import SequenceClassifier
    from erya.nn.losses import summed_cross_entropy
    from erya.nn.packing import PackedTensors

    layers, width, heads = size
    config = EncoderConfig(
        vocab_size=VOCAB_SIZE, hidden_size=width, num_layers=layers, num_heads=heads,
        intermediate_size=4 * width, dropout_prob=DROPOUT, attention_dropout_prob=DROPOUT,
    )  # fmt: skip
    model = SequenceClassifier(Encoder(config), num_labels=2, dropout_prob=DROPOUT).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    batches = shuffled_batches()

    def features(ids: list[int], label: int) -> Features:
        types = np.zeros(len(ids), dtype=np.uint8)
        return Features(np.array(ids, dtype=np.int32), types, {"labels": np.int64(label)})

    def epoch() -> float:
        for batch in batches:
            packed = pack([features(ids, label) for ids, label in batch])
            tensors = PackedTensors.from_batch(packed, torch.device("cpu"))
            with autocast():
                loss = summed_cross_entropy(model(tensors), tensors.targets["labels"])
            (loss / len(batch)).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
        return sum(len(batch) for batch in batches)

    return epoch


def main() -> None:
    """Run and write `results/finetune-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", choices=sorted(SIZES), action="append")
    arguments = parser.parse_args()
    pages = [f"# Fine-tuning speed\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    for name in arguments.size or ["6 x 384"]:
        size = SIZES[name]
        contenders = {
            "transformers, dynamic padding": functools.partial(hugging_face, size, shuffled_batches),
            "transformers, grouped by length": functools.partial(hugging_face, size, grouped_batches),
            "Erya": functools.partial(erya, size),
        }
        results = compete(
            contenders, rounds=arguments.rounds, threads=arguments.threads, warmup=1, warm_turns=True
        )
        pages.append(table(f"{name}, dropout {DROPOUT}", results, unit="examples/s", ours="Erya"))
    save("finetune", "\n".join(pages))


if __name__ == "__main__":
    main()
