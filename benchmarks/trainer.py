"""Examples a second of a stock `transformers` Trainer, and of the same with `erya.accelerate(model)` in it.

Sequence classification and token classification on the lengths of ChnSentiCorp's training reviews, capped at
256 tokens: four shuffled batches of 32 of `benchmarks.finetune`, padded to their longest. Both run sdpa
attention, bfloat16, a dropout of 0.1 and 6 layers of 384. One round is one call of `Trainer.train`.

The reviews are read from `$ERYA_DATA/tasks/chnsenticorp` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks.finetune import shuffled_batches
from benchmarks.harness import compete, machine, save, table
from benchmarks.pretrain import VOCAB_SIZE

BATCH, WIDTH, LAYERS, HEADS = 32, 384, 6, 6


def train(kind: str, *, accelerated: bool) -> Callable[[], float]:
    import torch
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        BertForTokenClassification,
        DataCollatorForTokenClassification,
        DataCollatorWithPadding,
        PreTrainedTokenizerFast,
        Trainer,
        TrainingArguments,
    )
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH, attn_implementation="sdpa",
    )  # fmt: skip
    tagging = kind == "token classification"
    model: Any = (BertForTokenClassification if tagging else BertForSequenceClassification)(config)
    if accelerated:
        import erya

        erya.accelerate(model)
    examples = [item for batch in shuffled_batches("classify") for item in batch]
    rows = [
        {"input_ids": item.ids, "labels": item.ids % 2 if tagging else int(item.targets["labels"])}
        for item in examples
    ]
    padding = PreTrainedTokenizerFast(tokenizer_object=_padding_tokenizer(), pad_token="[PAD]")
    collator = (DataCollatorForTokenClassification if tagging else DataCollatorWithPadding)(padding)

    def epoch() -> float:
        with tempfile.TemporaryDirectory() as directory:
            arguments = TrainingArguments(
                directory, num_train_epochs=1, per_device_train_batch_size=BATCH, bf16=True, use_cpu=True,
                learning_rate=1e-5, optim="adamw_torch_fused", save_strategy="no", report_to=[],
                disable_tqdm=True, logging_strategy="no", log_level="error",
            )  # fmt: skip
            Trainer(model=model, args=arguments, train_dataset=rows, data_collator=collator).train()
        return len(rows)

    return epoch


def _padding_tokenizer() -> Any:
    """Only its padding is used."""
    from tokenizers import Tokenizer, models

    return Tokenizer(models.WordLevel({"[PAD]": 0}, unk_token="[PAD]"))


def main() -> None:
    """Run and write `results/trainer-*.md`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    pages = [f"# A stock Trainer, accelerated\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    for kind in ("sequence classification", "token classification"):
        contenders = {
            "Trainer": functools.partial(train, kind, accelerated=False),
            "Trainer, accelerated": functools.partial(train, kind, accelerated=True),
        }
        results = compete(contenders, rounds=arguments.rounds, threads=arguments.threads, warmup=1)
        pages.append(table(kind, results, unit="examples/s", ours="Trainer, accelerated"))
    save("trainer", "\n".join(pages))


if __name__ == "__main__":
    main()
