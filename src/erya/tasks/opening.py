"""The network a run starts with: a pre-trained encoder, or one of random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from erya.bundled import located
from erya.checkpoints.configuration import read_configuration
from erya.checkpoints.directory import ModelDirectory, load_encoder, read_model, require_vocabulary_fits
from erya.checkpoints.loading import POOLER, LoadReport
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.tasks.recipe import FinetuneRecipe
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.opening import open_tokenizer
from erya.train.protocols import Tell


@dataclass(frozen=True, slots=True)
class Start:
    """What a run begins with.

    Attributes:
        encoder: pre-trained, or of random weights.
        tokenizer: of the starting model.
        usual_length: the longest input the model was made for, in tokens.
    """

    encoder: Encoder
    tokenizer: AnyTokenizer
    usual_length: int


def open_start(recipe: FinetuneRecipe, *, pooler: bool, tell: Tell) -> Start:
    """The encoder a recipe names.

    Args:
        recipe: which model, and whether its weights are wanted.
        pooler: whether the task needs the encoder's pooler.
        tell: is given a sentence for whatever starts at random or is not taken over.
    Raises:
        CheckpointError: the directory cannot be used.
    """
    seed, directory = recipe.train.seed, Path(recipe.model)
    if recipe.random_init:
        tell(
            f"RANDOM WEIGHTS: only sizes and vocabulary are taken from {directory}; nothing it learnt is used"
        )
        config, tokenizer = blank_model(directory)
        return Start(random_encoder(config, pooler=pooler, seed=seed), tokenizer, config.max_positions)
    if located(directory) != directory:
        tell(f"starting from {directory}, which comes with Erya")
    model = read_model(directory)
    encoder = pretrained_encoder(model, pooler=pooler, seed=seed, tell=tell)
    return Start(encoder, model.tokenizer, model.info.max_length)


def pretrained_encoder(model: ModelDirectory, *, pooler: bool, seed: int, tell: Tell) -> Encoder:
    """The encoder of a directory. Only a pooler may be missing; that it starts at random is told.

    Args:
        model: the open directory.
        pooler: whether to have one.
        seed: of the noise for what is missing.
        tell: is given a sentence for whatever is not taken over.
    Raises:
        CheckpointError: other tensors are missing or left over, or weights are not finite; the message lists
            them.
    """

    def report(loaded: LoadReport) -> None:
        for line in loaded.lines():
            tell(f"{loaded.where}: {line}")

    encoder = load_encoder(model, pooler=pooler, allow_missing=(POOLER,), seed=seed, report=report)
    _require_finite(encoder, model)
    return encoder


def _require_finite(encoder: Encoder, model: ModelDirectory) -> None:
    """Nothing can be learnt from weights that are no numbers."""
    spoilt = [name for name, weight in encoder.named_parameters() if not weight.isfinite().all()]
    if spoilt:
        more = f" and {len(spoilt) - 1} more" if len(spoilt) > 1 else ""
        raise CheckpointError(
            f"the weights are not finite: {spoilt[0]}{more}",
            where=str(model.path),
            hint="the run that wrote them failed: take an earlier checkpoint of it",
        )


def random_encoder(config: EncoderConfig, *, pooler: bool, seed: int) -> Encoder:
    """An encoder of random weights."""
    encoder = Encoder(config, pooler=pooler)
    generator = torch.Generator().manual_seed(seed)
    initialise(encoder, initializer_range=config.initializer_range, generator=generator)
    return encoder


def initialise_head(head: nn.Module, config: EncoderConfig, *, seed: int) -> None:
    """Fresh weights for the parts of a head; the noise comes from `seed` alone, and is not the encoder's."""
    generator = torch.Generator().manual_seed(seed + 1)
    initialise(head, initializer_range=config.initializer_range, generator=generator)


def blank_model(directory: Path) -> tuple[EncoderConfig, AnyTokenizer]:
    """Sizes and vocabulary of a directory, whether or not it holds weights.

    Raises:
        CheckpointError: its configuration cannot be used, or the vocabulary does not fit it.
    """
    _, foreign, _ = read_configuration(directory, headers={})
    tokenizer = open_tokenizer(directory)
    require_vocabulary_fits(tokenizer, foreign.encoder, where=str(directory))
    return foreign.encoder, tokenizer
