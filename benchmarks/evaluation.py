"""Tokens a second and peak memory of evaluating on real lengths beside a stock `transformers` Trainer.

The sequences are those of `benchmarks.finetune`: 1,600 reviews, sentences and questions. The Trainer's
`predict` computes in bfloat16, batches of 32 reviews, 64 sentences or 16 windows of questions (8,192 tokens
where all are as long as they may be, which sentences never are), padded to their longest, and hands back all
logits; what is made of them is not counted. It takes the sequences as they come, or sorted by length. Erya
sends the same sequences through, 8,192 tokens at a time, decodes them and scores the answers, as every look
at a dev file does; it keeps the logits of 512 examples at most.

The data are read from `$ERYA_DATA/tasks` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.finetune import JOBS, SIZES, hugging_face_model, learner_of, num_tokens, padded, prepared
from benchmarks.harness import compete, machine, save, table
from benchmarks.pretrain import autocast

PEER_BATCH = {"classify": 32, "tag": 64, "answer": 16}


def hugging_face(job: str, *, by_length: bool) -> Callable[[], float]:
    """The peer's `predict`."""
    from transformers import Trainer, TrainingArguments

    features = list(prepared(job).encoded.features)
    if by_length:
        features.sort(key=lambda item: len(item.ids))
    model = hugging_face_model(job, SIZES["6 x 384"])

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return padded(job, [row["item"] for row in rows])

    def look() -> float:
        with tempfile.TemporaryDirectory() as directory:
            arguments = TrainingArguments(
                directory, per_device_eval_batch_size=PEER_BATCH[job], bf16=True, use_cpu=True, report_to=[],
                disable_tqdm=True, log_level="error", remove_unused_columns=False,
            )  # fmt: skip
            rows = [{"item": item} for item in features]
            Trainer(model=model, args=arguments, data_collator=collate).predict(rows)
        return num_tokens([features])

    return look


def erya(job: str) -> Callable[[], float]:
    """A look at the dev file."""
    import torch

    from erya.tasks.devset import DevSet
    from erya.tasks.trainable import TaskTrainable

    made = prepared(job)
    learner = learner_of(job, SIZES["6 x 384"]).eval()
    devset = DevSet(
        TaskTrainable(learner),
        made.task,
        made.examples,
        made.encoded,
        batch_tokens=made.recipe.eval_batch_tokens,
    )

    def look() -> float:
        with torch.inference_mode(), autocast("cpu"):
            devset()
        return num_tokens([list(made.encoded.features)])

    return look


def main() -> None:
    """Run and write `results/evaluation-*.md`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--job", choices=sorted(JOBS), action="append")
    arguments = parser.parse_args()
    pages = [f"# Evaluation speed and memory\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    for job in arguments.job or JOBS:
        contenders = {
            "Trainer.predict": functools.partial(hugging_face, job, by_length=False),
            "Trainer.predict, sorted by length": functools.partial(hugging_face, job, by_length=True),
            "Erya": functools.partial(erya, job),
        }
        results = compete(contenders, rounds=arguments.rounds, threads=arguments.threads, warmup=1)
        pages.append(table(f"{job}, 6 x 384", results, unit="tokens/s", ours="Erya"))
    save("evaluation", "\n".join(pages))


if __name__ == "__main__":
    main()
