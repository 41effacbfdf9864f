"""Tokens a second of fine-tuning on real text lengths beside Hugging Face: classify, tag, answer.

The lengths are those of ChnSentiCorp's reviews cut at 256 tokens, of MSRA NER's sentences, and of CMRC 2018's
questions with their contexts in windows of 512 tokens that share 128. A batch holds 32 sequences, 12 of
questions. An epoch of 1,600 training examples is cut into batches, of which each contender works through
four: spread evenly over the epoch's batches in the order of their longest sequence. Where the epoch is
shuffled these are the batches of the peer with dynamic padding and of Erya; where it is sorted by length,
those of the peers that group by length. Padding is no token. The peers run at their best on a CPU: sdpa
attention, bfloat16 autocast, fused AdamW; Erya keeps freed memory as every one of its training runs does, and
so does one of the peers.

The data are read from `$ERYA_DATA/tasks` (default `../shared/data`).
"""

from __future__ import annotations

import argparse
import functools
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import compete, machine, save, table
from benchmarks.pretrain import VOCAB_SIZE, autocast

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
DROPOUT, SAMPLE, NUM_BATCHES = 0.1, 1600, 4
SIZES = {"6 x 384": (6, 384, 6), "12 x 768": (12, 768, 12)}


@dataclass(frozen=True)
class Job:
    """A task with its real data.

    Attributes:
        kind: of the task.
        file: below the tasks' folder.
        recipe: what its recipe needs beside files.
        max_length: longest sequence, in tokens.
        batch: sequences of a batch.
        peer: the model's class in `transformers`.
    """

    kind: str
    file: str
    recipe: dict[str, Any]
    max_length: int
    batch: int
    peer: str


JOBS = {
    "classify": Job(
        "classify", "chnsenticorp/train.tsv.xz", {"text": "text_a"}, 256, 32, "BertForSequenceClassification"
    ),
    "tag": Job("tag", "msra_ner/train.bio.xz", {"head": "linear"}, 512, 32, "BertForTokenClassification"),
    "answer": Job(
        "answer", "cmrc2018/train.json.xz", {"stride": 128, "bad_answers": "skip"}, 512, 12,
        "BertForQuestionAnswering",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Prepared:
    """A task, some of its examples in random order, and the sequences that are made of them."""

    kind: Any
    task: Any
    recipe: Any
    examples: list[Any]
    encoded: Any


@functools.cache
def prepared(job_name: str) -> Prepared:
    """The data of a job, read and encoded."""
    from erya.config import validate
    from erya.tasks.table import KINDS
    from erya.tasks.texts import LengthLimit
    from erya.tokenizer.wordpiece import Tokenizer

    job = JOBS[job_name]
    kind, path = KINDS[job.kind], str(DATA / "tasks" / job.file)
    values = {"model": "", "train_file": path, "dev_file": path, "truncate": True, **job.recipe}
    recipe = validate(kind.recipe, values, where="the benchmark")
    everything = list(kind.examples(Path(path), columns=recipe.columns, labelled=True))
    picked = np.random.default_rng(0).permutation(len(everything))[:SAMPLE]
    examples = [everything[number] for number in picked]
    task = kind.task_for(recipe, examples)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(next((DATA / "tasks" / "vocab").glob("*.txt")), Path(folder) / "vocab.txt")
        tokenizer = Tokenizer.open(Path(folder))
    limit = LengthLimit(job.max_length, True, 512)
    return Prepared(kind, task, recipe, examples, task.encode(examples, tokenizer, limit=limit))


def grouped_batches(job: str) -> list[list[Any]]:
    """Four batches of sequences of similar length."""
    return _spread(sorted(prepared(job).encoded.features, key=lambda item: len(item.ids)), JOBS[job].batch)


def shuffled_batches(job: str) -> list[list[Any]]:
    """Four batches of sequences as they come; the examples were drawn in random order."""
    features = prepared(job).encoded.features
    order = np.random.default_rng(1).permutation(len(features))
    return _spread([features[number] for number in order], JOBS[job].batch)


def _spread(features: list[Any], size: int) -> list[list[Any]]:
    """Four of the batches that `features` make in their order, spread evenly over their longest sequences."""
    batches = [features[start : start + size] for start in range(0, len(features) - size + 1, size)]
    batches.sort(key=lambda batch: max(len(item.ids) for item in batch))
    step = len(batches) / NUM_BATCHES
    return [batches[int((place + 0.5) * step)] for place in range(NUM_BATCHES)]


def num_tokens(batches: list[list[Any]]) -> int:
    """Tokens of some batches."""
    return sum(len(item.ids) for batch in batches for item in batch)


def padded(job: str, batch: list[Any]) -> dict[str, Any]:
    """A batch as rectangles, with the truths under the names that `transformers` gives them."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    def rectangle(rows: list[Any], fill: int) -> torch.Tensor:
        return pad_sequence([torch.as_tensor(np.asarray(row, np.int64)) for row in rows], True, fill)

    inputs = {
        "input_ids": rectangle([item.ids for item in batch], 0),
        "token_type_ids": rectangle([item.type_ids for item in batch], 0),
        "attention_mask": rectangle([np.ones(len(item.ids)) for item in batch], 0),
    }
    if job == "classify":
        return inputs | {"labels": torch.tensor([int(item.targets["labels"]) for item in batch])}
    if job == "tag":
        return inputs | {"labels": rectangle([item.row_targets["tags"] for item in batch], -100)}
    answers = torch.tensor(np.array([item.targets["answer"] for item in batch]).astype(np.int64))
    return inputs | {"start_positions": answers[:, 0], "end_positions": answers[:, 1]}


def hugging_face_model(job: str, size: tuple[int, int, int]) -> Any:
    """The peer's network, random weights."""
    import transformers

    layers, width, heads = size
    config = transformers.BertConfig(
        vocab_size=VOCAB_SIZE, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * width, hidden_dropout_prob=DROPOUT, attention_probs_dropout_prob=DROPOUT,
        attn_implementation="sdpa", num_labels=len(prepared(job).task.labels or (0, 1)),
    )  # fmt: skip
    return getattr(transformers, JOBS[job].peer)(config)


def hugging_face(
    job: str, size: tuple[int, int, int], *, grouped: bool, keeps_memory: bool = False
) -> Callable[[], float]:
    """The peer's training loop."""
    import torch

    from erya.runtime import keep_freed_memory

    if keeps_memory:
        keep_freed_memory()
    model = hugging_face_model(job, size).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    batches = grouped_batches(job) if grouped else shuffled_batches(job)

    def epoch() -> float:
        for batch in batches:
            with autocast("cpu"):
                loss = model(**padded(job, batch)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
        return num_tokens(batches)

    return epoch


def learner_of(job: str, size: tuple[int, int, int]) -> Any:
    """The learner that `erya finetune` trains, random weights."""
    from erya.models.config import EncoderConfig
    from erya.models.encoder import Encoder

    layers, width, heads = size
    config = EncoderConfig(
        vocab_size=VOCAB_SIZE, hidden_size=width, num_layers=layers, num_heads=heads,
        intermediate_size=4 * width, dropout_prob=DROPOUT, attention_dropout_prob=DROPOUT,
    )  # fmt: skip
    made = prepared(job)
    encoder = Encoder(config, pooler=made.kind.needs_pooler)
    return made.kind.new_learner(encoder, made.task, made.recipe, made.examples)


def erya(job: str, size: tuple[int, int, int]) -> Callable[[], float]:
    """The same with Erya."""
    import torch

    from erya.data.batches import pack
    from erya.nn.packing import PackedTensors
    from erya.runtime import keep_freed_memory

    keep_freed_memory()  # as every training run does
    learner = learner_of(job, size).train()
    optimiser = torch.optim.AdamW(learner.parameters(), lr=1e-5, fused=True)
    batches = shuffled_batches(job)

    def epoch() -> float:
        for batch in batches:
            tensors = PackedTensors.from_batch(pack(batch), torch.device("cpu"))
            with autocast("cpu"):
                terms = learner(tensors)
            sum(term.total / max(term.count, 1) for term in terms).backward()
            torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad()
        return num_tokens(batches)

    return epoch


def lengths_of(job: str) -> str:
    """The lengths that are computed, in words."""
    said = []
    for name, batches in (("shuffled", shuffled_batches(job)), ("grouped", grouped_batches(job))):
        lengths = [[len(item.ids) for item in batch] for batch in batches]
        padded_tokens = sum(len(batch) * max(batch) for batch in lengths)
        mean = np.mean(np.concatenate(lengths))
        said.append(
            f"{name}: mean {mean:.0f} tokens, padded {padded_tokens / num_tokens(batches):.2f} times as many"
        )
    return "; ".join(said)


def main() -> None:
    """Run and write `results/finetune-*.md`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", choices=sorted(SIZES), action="append")
    parser.add_argument("--job", choices=sorted(JOBS), action="append")
    arguments = parser.parse_args()
    pages = [f"# Fine-tuning speed\n\n{machine()}, {arguments.threads} threads.\n\n{__doc__}\n"]
    for name in arguments.size or ["6 x 384"]:
        for job in arguments.job or JOBS:
            peer = functools.partial(hugging_face, job, SIZES[name])
            contenders = {
                "transformers, dynamic padding": functools.partial(peer, grouped=False),
                "transformers, grouped by length": functools.partial(peer, grouped=True),
                "the same, freed memory kept": functools.partial(peer, grouped=True, keeps_memory=True),
                "Erya": functools.partial(erya, job, SIZES[name]),
            }
            results = compete(
                contenders, rounds=arguments.rounds, threads=arguments.threads, warmup=1, warm_turns=True
            )
            title = f"{job}, {name}, dropout {DROPOUT}; {lengths_of(job)}"
            pages.append(table(title, results, unit="tokens/s", ours="Erya"))
    save("finetune", "\n".join(pages))


if __name__ == "__main__":
    main()
