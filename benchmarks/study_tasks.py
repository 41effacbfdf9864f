"""What a pre-trained model is worth: fine-tuned on ChnSentiCorp and CLUENER, scored on their dev splits.

The tasks are read from `$ERYA_DATA/tasks` (default `../shared/data`). N tokens, C tags.
"""

from __future__ import annotations

import json
import lzma
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data"))
MAX_LENGTH = 64
_AT_THE_END = 1_000_000  # steps between evaluations: more than there are
Entity = tuple[str, int, int]  # type, first character, last character


@dataclass(frozen=True)
class Fitting:
    """How to fine-tune: the same for every model of a study."""

    epochs: int
    learning_rate: float
    seed: int
    batch_size: int = 32
    examples: int | None = None  # of the training split; None: all


def chnsenticorp_accuracy(model: Path, work: Path, fitting: Fitting) -> float:
    """Accuracy on the dev split after `fitting.epochs`, in [0, 1]."""
    from erya.config import validate
    from erya.tasks.classify.recipe import ClassifyRecipe
    from erya.tasks.finetune import finetune

    folder = DATA / "tasks" / "chnsenticorp"
    train_file = folder / "train.tsv.xz"
    if fitting.examples is not None:
        train_file = _head(train_file, work.with_suffix(".tsv"), fitting.examples)
    settings: dict[str, Any] = {
        "model": str(model), "train_file": str(train_file), "dev_file": str(folder / "dev.tsv"),
        "text": "text_a", "max_length": MAX_LENGTH, "truncate": True, "batch_size": fitting.batch_size,
        "classifier_dropout_prob": 0.1,
        "train": {
            "epochs": fitting.epochs, "learning_rate": fitting.learning_rate, "seed": fitting.seed,
            "threads": 1, "trackers": [], "eval_every_steps": _AT_THE_END,
        },
    }  # fmt: skip
    done = finetune(validate(ClassifyRecipe, settings, where="study"), work, tell=_silent)
    return done.result.state.metrics["eval_accuracy"]


def cluener_f1(model: Path, work: Path, fitting: Fitting) -> float:
    """F1 of whole entities on the dev split after `fitting.epochs`, in [0, 1]."""
    from erya.checkpoints.directory import load_encoder, read_model
    from erya.config import StrictModel
    from erya.train.loop import train
    from erya.train.recipe import TrainRecipe

    class TaggingRecipe(StrictModel):
        train: TrainRecipe

    directory = read_model(model)
    encoder = load_encoder(directory, pooler=False, seed=fitting.seed)
    texts = read_cluener(DATA / "tasks" / "cluener" / "train.json.xz")[: fitting.examples]
    tags = ["O", *(f"{part}-{kind}" for kind in _kinds(texts) for part in "BI")]
    tagger = _Tagger(encoder, tags, seed=fitting.seed)
    dev = read_cluener(DATA / "tasks" / "cluener" / "dev.json")
    scored = _Scorer(tagger, dev, directory.tokenizer)
    recipe = TrainRecipe(
        epochs=fitting.epochs, learning_rate=fitting.learning_rate, seed=fitting.seed, threads=1,
        batch_tokens=16384, warmup_ratio=0.1, trackers=(), eval_every_steps=_AT_THE_END,
    )  # fmt: skip
    train(
        tagger,
        _batches(texts, tags, directory.tokenizer, fitting),
        recipe=recipe, run_recipe=TaggingRecipe(train=recipe), directory=work, evaluate=scored,
        fingerprints={}, changeable=(),
    )  # fmt: skip
    return scored.f1


def _silent(text: str) -> None:
    pass


def _head(path: Path, copy: Path, examples: int) -> Path:
    copy.parent.mkdir(parents=True, exist_ok=True)
    with lzma.open(path, "rt", encoding="utf-8") as stream:
        copy.write_text("".join(line for line, _ in zip(stream, range(examples + 1), strict=False)), "utf-8")
    return copy


def read_cluener(path: Path) -> list[tuple[str, set[Entity]]]:
    """Texts and their entities."""
    data = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    rows = [json.loads(line) for line in data.splitlines()]
    return [(row["text"], set(_entities(row["label"]))) for row in rows]


def _entities(labels: Mapping[str, Mapping[str, Sequence[Sequence[int]]]]) -> Iterable[Entity]:
    for kind, names in labels.items():
        yield from ((kind, first, last) for places in names.values() for first, last in places)


def _kinds(texts: Sequence[tuple[str, set[Entity]]]) -> list[str]:
    return sorted({kind for _, entities in texts for kind, _, _ in entities})


def tags_of(entities: Iterable[Entity], spans: np.ndarray, tags: Sequence[str]) -> np.ndarray:
    """The tag of each token, int64, shape (N,): B- at an entity's first token, I- at others, else O.

    Args:
        entities: which are in the text; where two overlap, the later one counts.
        spans: characters of each token, half-open, shape (N, 2); empty ones, of special tokens, are O.
        tags: the C tags, O first.
    """
    found = np.zeros(len(spans), dtype=np.int64)
    starts, stops = spans[:, 0], spans[:, 1]
    for kind, first, last in sorted(entities):
        inside = np.flatnonzero((starts >= first) & (stops <= last + 1) & (stops > starts))
        found[inside] = tags.index(f"I-{kind}")
        found[inside[:1]] = tags.index(f"B-{kind}")
    return found


def entities_of(tags: Sequence[str], spans: np.ndarray) -> set[Entity]:
    """The entities that tags name, as seqeval's default mode reads them.

    An entity begins with B-, or with I- where none of its type is open, and ends before the next tag that is
    not its I-.

    Source: https://github.com/chakki-works/seqeval, get_entities.
    """
    found: list[list[Any]] = []
    open_kind = ""
    for tag, (start, stop) in zip(tags, spans.tolist(), strict=True):
        part, _, kind = tag.partition("-")
        if part == "B" or (part == "I" and kind != open_kind):
            found.append([kind, start, stop - 1])
        elif part == "I":
            found[-1][2] = stop - 1
        open_kind = kind
    return {(kind, first, last) for kind, first, last in found}


def f1_of(predicted: Sequence[set[Entity]], true: Sequence[set[Entity]]) -> float:
    """Micro-averaged F1 of entities whose type and both ends are right."""
    right = sum(len(one & other) for one, other in zip(predicted, true, strict=True))
    total = sum(map(len, predicted)) + sum(map(len, true))
    return 2 * right / total if total else 0.0


class _Tagger:
    """A token classifier with its loss, as the training loop sees it."""

    def __init__(self, encoder: Any, tags: Sequence[str], *, seed: int) -> None:
        import torch

        from erya.models.heads.tokens import TokenClassifier
        from erya.models.initialise import initialise

        self.tags = tags
        self.classifier = TokenClassifier(encoder, len(tags), dropout_prob=0.1)
        noise = torch.Generator().manual_seed(seed + 1)
        initialise(
            self.classifier.tagger, initializer_range=encoder.config.initializer_range, generator=noise
        )
        self.module = _with_loss(self.classifier)

    def counts(self, batch: Any) -> Mapping[str, int]:
        return {"tags": len(batch.targets["tags"])}

    def inputs(self, batch: Any) -> Any:
        import torch

        from erya.nn.packing import PackedTensors

        return PackedTensors.from_batch(batch, torch.device("cpu"))


def _with_loss(classifier: Any) -> Any:
    from torch import nn

    from erya.nn.losses import LossTerm, summed_cross_entropy

    class TaggerWithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = classifier

        def forward(self, batch: Any) -> list[Any]:
            labels = batch.targets["tags"]
            return [LossTerm("tags", summed_cross_entropy(self.classifier(batch), labels), len(labels))]

    return TaggerWithLoss()


class _Scorer:
    """Scores the model on texts; the loop calls it at the end."""

    def __init__(self, tagger: _Tagger, texts: Sequence[tuple[str, set[Entity]]], tokenizer: Any) -> None:
        self._tagger, self._true, self.f1 = tagger, [entities for _, entities in texts], 0.0
        self._encodings = tokenizer.encode_batch([text for text, _ in texts], max_length=MAX_LENGTH)

    def __call__(self) -> dict[str, float]:
        from erya.data.batches import pack
        from erya.data.features import Features

        predicted: list[set[Entity]] = []
        for start in range(0, len(self._encodings), 64):
            part = self._encodings[start : start + 64]
            batch = pack([Features(item.ids, item.type_ids) for item in part])
            best = self._tagger.classifier(self._tagger.inputs(batch)).argmax(dim=-1).tolist()
            for item, first in zip(part, batch.bounds.tolist(), strict=False):
                tags = [self._tagger.tags[best[first + place]] for place in range(1, len(item) - 1)]
                predicted.append(entities_of(tags, item.spans[1:-1]))
        self.f1 = f1_of(predicted, self._true)
        return {"eval_f1": self.f1}


def _batches(
    texts: Sequence[tuple[str, set[Entity]]], tags: Sequence[str], tokenizer: Any, fitting: Fitting
) -> Any:
    """A source whose batches have the target `tags`, one entry a token."""
    from erya.data.features import Features
    from erya.tasks.batches import ExampleBatches

    encodings = tokenizer.encode_batch([text for text, _ in texts], max_length=MAX_LENGTH)
    labels = [tags_of(of, item.spans, tags) for (_, of), item in zip(texts, encodings, strict=True)]
    features = [
        Features(item.ids, item.type_ids, {"number": np.array(number)})
        for number, item in enumerate(encodings)
    ]

    class TaggedBatches(ExampleBatches):
        def batch(self, *arguments: Any) -> list[Any]:
            return [
                replace(part, targets={"tags": np.concatenate([labels[i] for i in part.targets["number"]])})
                for part in super().batch(*arguments)
            ]

    return TaggedBatches(features, batch_size=fitting.batch_size, batch_tokens=16384, seed=fitting.seed)
