"""Predicting with a fine-tuned classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from erya.checkpoints.info import ModelInfo
from erya.data.batches import pack
from erya.data.features import Features
from erya.errors import ConfigError, InputError
from erya.models.encoder import Encoder
from erya.nn.packing import PackedTensors
from erya.runtime import Precision, pick_device, pick_dtype
from erya.tasks.batches import split
from erya.tasks.classify.head import SequenceClassifier
from erya.tasks.classify.opening import open_classifier
from erya.tasks.classify.task import ClassifyTask, Example, Prediction
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer


class Predictor:
    """A classifier with its tokenizer and labels.

    Args:
        module: the network, on the device it is to run on.
        tokenizer: the one it was trained with.
        info: labels and limits.
        precision: of matrix products. In `float32` a text gets the same answer alone and in any batch;
            `bfloat16` is faster where the machine has it and rounds.
    """

    def __init__(
        self,
        module: SequenceClassifier,
        tokenizer: AnyTokenizer,
        info: ModelInfo,
        *,
        precision: Precision = "float32",
    ) -> None:
        self.module, self.tokenizer, self.info = module.eval(), tokenizer, info
        self.task = ClassifyTask(info.labels or ())
        self._device = next(module.parameters()).device
        self._dtype = pick_dtype(precision, self._device)

    @classmethod
    def open(cls, directory: Path, *, device: str = "auto", precision: Precision = "float32") -> Predictor:
        """Open a directory that `erya finetune classify` wrote, or any Hugging Face
        sequence classifier's of a family Erya has (labels from its `id2label`).

        Raises:
            CheckpointError: the directory holds no classifier, or it is damaged.
            ConfigError: there is no such device.
        """
        module, model = open_classifier(directory)
        return cls(module.to(pick_device(device)), model.tokenizer, model.info, precision=precision)

    def predict(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        truncate: bool = False,
        max_length: int | None = None,
        batch_tokens: int = 8192,
    ) -> list[Prediction]:
        """Classify texts.

        Args:
            texts: the texts.
            pairs: for pairs, the second texts, as many.
            truncate: whether texts longer than the limit are cut; otherwise they are an error.
            max_length: longest input in tokens; None is the model's limit.
            batch_tokens: tokens computed at once, at most.
        Returns:
            A prediction for each text, in the order of the texts.
        Raises:
            InputError: texts are longer than the limit, or there are not as many `pairs` as `texts`.
        """
        if isinstance(texts, str):
            raise InputError("texts is one string, a list of strings is wanted", hint="predict([text])")
        if pairs is not None and len(pairs) != len(texts):
            raise InputError(f"{len(texts)} texts, but {len(pairs)} second texts")
        seconds = pairs if pairs is not None else [None] * len(texts)
        examples = [
            Example(text, pair, None, f"text {number}", number)
            for number, (text, pair) in enumerate(zip(texts, seconds, strict=True), 1)
        ]
        predictions, _ = self.predict_examples(
            examples, truncate=truncate, max_length=max_length, batch_tokens=batch_tokens
        )
        return predictions

    def predict_examples(
        self,
        examples: Sequence[Example],
        *,
        truncate: bool = False,
        max_length: int | None = None,
        batch_tokens: int = 8192,
    ) -> tuple[list[Prediction], EncodingReport]:
        """`predict` for examples that know where they come from, with the counts of what was lost."""
        if not examples:
            return [], EncodingReport()
        features, report = self.encode(examples, truncate=truncate, max_length=max_length)
        logits = forward_in_batches(features, self.logits, batch_tokens=batch_tokens)
        return self.task.decode(logits, examples), report

    def encode(
        self, examples: Sequence[Example], *, truncate: bool, max_length: int | None
    ) -> tuple[list[Features], EncodingReport]:
        """The model inputs of examples, with the counts of what was lost."""
        limit = self.limit(max_length, truncate=truncate)
        return self.task.encode(examples, self.tokenizer, limit=limit)

    def limit(self, max_length: int | None, *, truncate: bool) -> LengthLimit:
        """How long an input may be; None is what the model was trained for."""
        return length_limit(
            max_length, truncate=truncate, default=self.info.max_length, encoder=self.module.encoder
        )

    @torch.inference_mode()
    def logits(self, features: Sequence[Features]) -> NDArray[np.float32]:
        """Logits of one batch, shape (S, C)."""
        batch = PackedTensors.from_batch(pack(features), self._device)
        enabled = self._dtype != torch.float32
        with torch.autocast(self._device.type, dtype=self._dtype, enabled=enabled):
            logits = self.module(batch)
        return np.asarray(logits.float().cpu().numpy())


def length_limit(max_length: int | None, *, truncate: bool, default: int, encoder: Encoder) -> LengthLimit:
    """The limit a caller asked for, checked against what the model can take.

    Raises:
        ConfigError: `max_length` is more than the model has positions.
    """
    positions = encoder.config.max_positions
    if max_length is not None and not 3 <= max_length <= positions:
        raise ConfigError(
            f"max_length {max_length} is not possible", hint=f"this model takes 3 to {positions} tokens"
        )
    return LengthLimit(max_length or default, truncate, positions)


def forward_in_batches(
    features: Sequence[Features],
    forward: Callable[[Sequence[Features]], NDArray[np.float32]],
    *,
    batch_tokens: int,
) -> NDArray[np.float32]:
    """Run `forward` on batches of similar lengths and give its rows in the order of `features`.

    Args:
        features: S inputs, at least one.
        forward: from a batch to its rows, shape (batch, C).
        batch_tokens: tokens of a batch, at most (a longer input is a batch of its own).
    Returns:
        Shape (S, C).
    """
    lengths = np.array([len(item.ids) for item in features])
    order = np.argsort(lengths, kind="stable")
    runs = split(lengths[order].tolist(), size=len(order), tokens=batch_tokens)
    rows = [forward([features[number] for number in order[run.start : run.stop]]) for run in runs]
    result = np.empty((len(features), rows[0].shape[1]), dtype=np.float32)
    result[order] = np.concatenate(rows)
    return result
