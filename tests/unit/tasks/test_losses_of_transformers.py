"""Two hundred steps of fine-tuning have the losses of a plain loop over a model of `transformers`.

The same starting weights, the same batches, no dropout, float32. The peer pads, its loop is written out here,
and its optimiser is PyTorch's.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_entities import some_rows, write_rows
from tiny_questions import write_questions
from tiny_reviews import write_reviews

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers", reason="the reference (extra dev)")

from erya.checkpoints.info import ModelInfo  # noqa: E402
from erya.checkpoints.saving import save_model  # noqa: E402
from erya.config import validate  # noqa: E402
from erya.data.batches import PackedBatch  # noqa: E402
from erya.tasks.batches import ExampleBatches  # noqa: E402
from erya.tasks.finetune import finetune  # noqa: E402
from erya.tasks.preparation import Prepared, prepare  # noqa: E402
from erya.tasks.recipe import FinetuneRecipe  # noqa: E402
from erya.tasks.table import KINDS  # noqa: E402

STEPS = 200
CLASSES = {
    "classify": "AutoModelForSequenceClassification",
    "tag": "AutoModelForTokenClassification",
    "answer": "AutoModelForQuestionAnswering",
}


def files(kind: str, folder: Path) -> dict[str, Any]:
    """A training and a dev file of a kind, and what its recipe needs to read them."""
    if kind == "classify":
        paths = [write_reviews(folder / f"{seed}.tsv", 96, seed=seed) for seed in (1, 2)]
        own: dict[str, Any] = {"text": "text_a"}
    elif kind == "tag":
        paths = [write_rows(folder / f"{seed}.jsonl", some_rows(96, seed=seed)) for seed in (1, 2)]
        own = {}
    else:
        paths = [write_questions(folder / f"{seed}.jsonl", 96, seed=seed) for seed in (1, 2)]
        own = {"stride": 6}
    return {"train_file": str(paths[0]), "dev_file": str(paths[1]), **own}


@pytest.fixture
def recipe(request: Any, tiny_base: Path, tmp_path: Path) -> FinetuneRecipe:
    kind = request.param
    values = {
        "model": str(tiny_base),
        **files(kind, tmp_path),
        "batch_size": 8,
        **({} if kind == "answer" else {"classifier_dropout_prob": 0.0}),
        "craft": {"hidden_dropout_prob": 0.0, "attention_dropout_prob": 0.0},
        "train": {
            "learning_rate": 1e-3, "weight_decay": 0.02, "steps": STEPS, "epochs": None, "clip_norm": 0.5,
            "threads": 1, "device": "cpu", "precision": "float32", "eval_every_steps": STEPS,
            "monitor": {"patience": None}, "trackers": [],
        },
    }  # fmt: skip
    return validate(KINDS[kind].recipe, values, where="the test")


def saved(prepared: Prepared, recipe: FinetuneRecipe, directory: Path) -> Any:
    """The network before its first step, as `transformers` opens it."""
    info = ModelInfo(task=prepared.kind.head, labels=prepared.task.labels, max_length=24)
    network = prepared.learner.network
    save_model(directory, module=network, tokenizer=prepared.tokenizer, info=info)
    opened = getattr(transformers, CLASSES[recipe.kind]).from_pretrained(directory)
    for module in opened.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return opened.train()


def padded(batch: PackedBatch, rows: np.ndarray, fill: int) -> Any:
    """What stands at each token as a rectangle, shape (sequences, longest)."""
    parts = [torch.as_tensor(np.asarray(part)) for part in np.split(rows, batch.bounds[1:-1])]
    return torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=fill)


def plain_loss(kind: str, model: Any, batch: PackedBatch) -> Any:
    """The loss as the papers and `transformers` have it, averaged over the batch."""
    inputs = {
        "input_ids": padded(batch, batch.ids.astype(np.int64), 0),
        "token_type_ids": padded(batch, batch.type_ids.astype(np.int64), 0),
        "attention_mask": padded(batch, np.ones(batch.num_tokens, np.int64), 0),
    }
    if kind == "classify":
        return model(**inputs, labels=torch.as_tensor(batch.targets["labels"])).loss
    if kind == "tag":
        return model(**inputs, labels=padded(batch, batch.targets["tags"].astype(np.int64), -100)).loss
    output = model(**inputs)
    banned = ~padded(batch, batch.targets["touchable"], False)
    answers = torch.as_tensor(batch.targets["answer"].astype(np.int64))
    return (
        sum(
            torch.nn.functional.cross_entropy(logits.masked_fill(banned, -torch.inf), answers[:, place])
            for place, logits in enumerate((output.start_logits, output.end_logits))
        )
        / 2
    )


def plain_run(kind: str, model: Any, source: ExampleBatches, rates: list[float]) -> list[float]:
    """A fine-tuning loop as a textbook has it."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.999), eps=1e-6)
    losses, epoch, index = [], 0, 0
    for rate in rates:
        if index == source.num_batches(epoch):
            epoch, index = epoch + 1, 0
        (batch,) = source.batch(epoch, index)
        index += 1
        loss = plain_loss(kind, model, batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()
        losses.append(float(loss.detach()))
    return losses


@pytest.mark.parametrize("recipe", CLASSES, indirect=True)
def test_two_hundred_losses_agree(recipe: FinetuneRecipe, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    prepared = prepare(recipe, tell=lambda text: None)
    model = saved(prepared, recipe, tmp_path / "start")
    source = ExampleBatches(
        prepared.train.features, batch_size=8, batch_tokens=recipe.train.batch_tokens, seed=recipe.train.seed
    )
    finetune(recipe, tmp_path / "run", tell=lambda text: None)
    lines = (tmp_path / "run" / "metrics.jsonl").read_text("utf-8").splitlines()
    steps = [row for row in map(json.loads, lines) if "loss" in row]
    ours = [row["loss"] for row in steps]
    theirs = plain_run(recipe.kind, model, source, [row["lr"] for row in steps])
    assert len(ours) == STEPS and ours[-1] < 0.8 * ours[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
