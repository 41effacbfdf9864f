"""Predicting with a fine-tuned model of any kind; with a masked language model, filling masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from erya.checkpoints.configuration import read_configuration
from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.data.records import Record
from erya.errors import CheckpointError, InputError
from erya.models.encoder import Encoder
from erya.runtime import Precision, pick_device, pick_dtype
from erya.tasks.ensemble import info_of, together
from erya.tasks.fill.head import FillLearner
from erya.tasks.fill.kind import FillKind
from erya.tasks.fill.task import FillTask
from erya.tasks.kind import AnyKind, AnyPredictedKind
from erya.tasks.learner import Learner
from erya.tasks.limits import length_limit
from erya.tasks.members import members_of
from erya.tasks.running import run
from erya.tasks.table import KINDS
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.opening import open_tokenizer

# What a directory is that was fine-tuned for no task.
_OTHERS: dict[TaskName | None, str] = {
    None: "an encoder without a task head",
    "masked_lm": "a masked language model",
    "next_sentence": "a model of pairs of sentences",
    "replaced_token": "a discriminator of replaced tokens",
}


class Predictor:
    """A model with its tokenizer and its task.

    Args:
        learner: the network with its head, on the device it is to run on.
        kind: of the task.
        task: decodes what the network says.
        tokenizer: the one it was trained with.
        info: what the directory says of itself.
        precision: of matrix products. In `float32` a text gets the same answer alone and in any batch;
            `bfloat16` is faster where the machine has it and rounds.
    """

    def __init__(
        self,
        learner: Learner,
        kind: AnyPredictedKind,
        task: Task[Any, Any],
        tokenizer: AnyTokenizer,
        info: ModelInfo,
        *,
        precision: Precision = "float32",
    ) -> None:
        assert isinstance(learner, nn.Module)
        self.learner, self.kind, self.task = learner, kind, task
        self.tokenizer, self.info = tokenizer, info
        learner.eval()
        self._device = next(learner.parameters()).device
        self._dtype = pick_dtype(precision, self._device)

    @classmethod
    def open(cls, directory: Path, *, device: str = "auto", precision: Precision = "float32") -> Predictor:
        """Open a directory that `erya finetune` wrote, or any Hugging Face model of a family Erya has with
        the head of a task (labels from its `id2label`) or of a masked language model, or an ensemble.

        Raises:
            CheckpointError: the directory holds no model with a task, or it is damaged.
            ConfigError: there is no such device.
        """
        if fills_masks(directory):
            model = read_model(directory)
            filler = FillLearner(load_masked_language_model(model)).float().to(pick_device(device))
            fill = FillTask(model.tokenizer.vocab, model.tokenizer.mask_id)
            return cls(filler, FillKind(fill), fill, model.tokenizer, model.info, precision=precision)
        members = members_of(directory)
        kind = kind_of(directory)
        models = [read_model(member) for member in members]
        info = info_of([model.info for model in models])
        task = kind.task_from(info)
        learner = together([kind.open_learner(model, task) for model in models], info)
        assert isinstance(learner, nn.Module)
        learner.to(pick_device(device))
        return cls(learner, kind, task, models[0].tokenizer, info, precision=precision)

    def predict(
        self,
        first: Sequence[str],
        second: Sequence[str] | None = None,
        *,
        truncate: bool = False,
        max_length: int | None = None,
        batch_tokens: int = 8192,
    ) -> list[Any]:
        """Predict from texts.

        Args:
            first: the texts; for `answer` the questions.
            second: where the task takes two, as many: second texts of pairs, contexts of questions.
            truncate: whether texts longer than the limit are cut; otherwise they are an error.
            max_length: longest input in tokens; None is the model's limit.
            batch_tokens: tokens computed at once, at most.
        Returns:
            The task's `Prediction` for each text, in the order of the texts.
        Raises:
            InputError: a text is empty or longer than the limit, or there are not as many `second` as
                `first`.
        """
        rows = self._rows(first, second)
        examples = [
            self.task.read(Record(f"text {number}", 0, values)) for number, values in enumerate(rows, 1)
        ]
        predictions, _ = self.predict_examples(
            examples, truncate=truncate, max_length=max_length, batch_tokens=batch_tokens
        )
        return predictions

    def predict_examples(
        self,
        examples: Sequence[Any],
        *,
        truncate: bool = False,
        max_length: int | None = None,
        batch_tokens: int = 8192,
    ) -> tuple[list[Any], EncodingReport]:
        """`predict` for examples that know where they come from, with the counts of what was lost."""
        if not examples:
            return [], EncodingReport()
        encoded = self.encode(examples, truncate=truncate, max_length=max_length)
        return self.answers(encoded, examples, batch_tokens=batch_tokens), encoded.report

    def encode(self, examples: Sequence[Any], *, truncate: bool, max_length: int | None) -> Encoded:
        """The network's inputs of examples, with the counts of what was lost."""
        return self.task.encode(examples, self.tokenizer, limit=self.limit(max_length, truncate=truncate))

    @torch.inference_mode()
    def answers(self, encoded: Encoded, examples: Sequence[Any], *, batch_tokens: int = 8192) -> list[Any]:
        """The predictions for examples that are encoded already."""
        enabled = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=enabled):
            outputs = run(self.learner, encoded.features, device=self._device, batch_tokens=batch_tokens)
        return self.task.decode(outputs, encoded, examples)

    def limit(self, max_length: int | None, *, truncate: bool) -> LengthLimit:
        """How long an input may be; None is what the model was trained for."""
        encoder = self.learner.network.get_submodule("encoder")
        assert isinstance(encoder, Encoder)
        return length_limit(
            max_length,
            truncate=truncate,
            default=self.info.max_length,
            positions=encoder.config.max_positions,
        )

    def _rows(self, first: Sequence[str], second: Sequence[str] | None) -> list[dict[str, str]]:
        """The fields of each text, by the names the task gives them."""
        for texts in (first, second):
            if isinstance(texts, str):
                raise InputError("one string was given, a list of strings is wanted", hint="predict([text])")
        names = self.kind.inputs
        if second is None:
            lacking = [name for name in names[1:] if name not in self.kind.optional_inputs]
            if lacking:
                raise InputError(f"{self.kind.name} takes a {lacking[0]} beside each {names[0]}")
            return [{names[0]: text} for text in first]
        if len(names) < 2:
            raise InputError(f"{self.kind.name} takes one text at a time, two were given")
        if len(second) != len(first):
            raise InputError(f"{len(first)} times {names[0]}, but {len(second)} times {names[1]}")
        return [{names[0]: one, names[1]: other} for one, other in zip(first, second, strict=True)]


def fills_masks(directory: Path) -> bool:
    """Whether a model directory holds a masked language model that was fine-tuned for nothing else.

    Raises:
        CheckpointError: it is not a model.
    """
    _, foreign, info = read_configuration(members_of(directory)[0])
    return info.kind is None and info.task in (None, "masked_lm") and "masked_lm" in foreign.heads


def predicted_kind_of(directory: Path) -> AnyPredictedKind:
    """What a model directory can be asked for.

    Raises:
        CheckpointError: it is not a model, or one that can be asked for nothing; says what it is.
    """
    if not fills_masks(directory):
        return kind_of(directory)
    tokenizer = open_tokenizer(directory)
    return FillKind(FillTask(tokenizer.vocab, tokenizer.mask_id))


def kind_of(directory: Path) -> AnyKind:
    """The kind of task a model directory was fine-tuned for.

    Raises:
        CheckpointError: it is not a model, or one without a task; says what it is.
    """
    _, foreign, info = read_configuration(members_of(directory)[0])
    name: KindName | TaskName | None = info.kind or info.task
    for kind in KINDS.values():
        if kind.name == name:
            return kind
    raise CheckpointError(
        "; ".join(
            [f"this is {_OTHERS.get(info.task, info.task)}, it was fine-tuned for no task", *foreign.notes]
        ),
        where=str(directory),
        hint=f"fine-tune it first: erya finetune classify --model {directory} --train F --dev F --out DIR",
    )
