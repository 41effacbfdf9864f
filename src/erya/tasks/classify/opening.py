"""Building a classifier: on a pre-trained encoder, on random weights, or from a fine-tuned directory."""

from __future__ import annotations

from pathlib import Path

import torch

from erya.checkpoints.configuration import read_configuration
from erya.checkpoints.directory import ModelDirectory, load_encoder, read_model, require_vocabulary_fits
from erya.checkpoints.loading import POOLER, LoadReport, load_tensors, log_report
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.tasks.classify.head import SequenceClassifier
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.opening import open_tokenizer
from erya.train.protocols import Tell


def pretrained_encoder(model: ModelDirectory, *, seed: int, tell: Tell) -> Encoder:
    """The encoder of a directory. Only a pooler may be missing; that it starts at random is told.

    Args:
        model: the open directory.
        seed: of the noise for what is missing.
        tell: is given a sentence for whatever is not taken over.
    Raises:
        CheckpointError: other tensors are missing or left over; the message lists them.
    """

    def report(loaded: LoadReport) -> None:
        for line in loaded.lines():
            tell(f"{loaded.where}: {line}")

    return load_encoder(model, pooler=True, allow_missing=(POOLER,), seed=seed, report=report)


def random_encoder(config: EncoderConfig, *, seed: int) -> Encoder:
    """An encoder of random weights."""
    encoder = Encoder(config, pooler=True)
    generator = torch.Generator().manual_seed(seed)
    initialise(encoder, initializer_range=config.initializer_range, generator=generator)
    return encoder


def new_classifier(
    encoder: Encoder, num_labels: int, *, dropout_prob: float | None, seed: int
) -> SequenceClassifier:
    """`encoder` with a fresh classifier on top; the noise comes from `seed` alone."""
    module = SequenceClassifier(encoder, num_labels, dropout_prob=dropout_prob)
    generator = torch.Generator().manual_seed(seed + 1)
    initialise(module.classifier, initializer_range=encoder.config.initializer_range, generator=generator)
    return module


def blank_model(directory: Path) -> tuple[EncoderConfig, AnyTokenizer]:
    """Sizes and vocabulary of a directory, whether or not it holds weights.

    Raises:
        CheckpointError: its configuration cannot be used, or the vocabulary does not fit it.
    """
    _, foreign, _ = read_configuration(directory, headers={})
    tokenizer = open_tokenizer(directory)
    require_vocabulary_fits(tokenizer, foreign.encoder, where=str(directory))
    return foreign.encoder, tokenizer


def open_classifier(directory: Path) -> tuple[SequenceClassifier, ModelDirectory]:
    """The classifier of a fine-tuned directory, ours or Hugging Face's.

    Raises:
        CheckpointError: the directory holds no classifier, or tensors are missing or left over.
    """
    model = read_model(directory)
    if model.info.task != "classify" or model.info.labels is None:
        raise CheckpointError(
            f"the directory holds no classifier (its task is {model.info.task or 'none: an encoder alone'})",
            where=str(directory),
            hint=f"train one: erya finetune classify --model {directory} --train F --dev F --out DIR",
        )
    module = SequenceClassifier(
        Encoder(model.encoder_config, pooler=True),
        len(model.info.labels),
        dropout_prob=model.info.classifier_dropout_prob,
    )
    log_report(load_tensors(module, model.tensors, where=str(directory)))
    return module.eval(), model
