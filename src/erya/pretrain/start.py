"""The model a pre-training run starts with."""

from __future__ import annotations

from pathlib import Path

import torch

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.checkpoints.huggingface import require_saveable
from erya.checkpoints.loading import MASKED_HEAD, LoadReport
from erya.errors import ConfigError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.pretrain.recipe import PretrainRecipe
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.protocols import Tell


def build_model(recipe: PretrainRecipe, tokenizer: Tokenizer, *, tell: Tell) -> MaskedLanguageModel:
    """A fresh model of the recipe's sizes, or the one to go on from.

    Raises:
        ConfigError: sequences are longer than the model's positions, or the vocabulary is another one.
        CheckpointError: the directory to go on from cannot be used, or no file could say what the model is.
    """
    module = _fresh_model(recipe, tokenizer) if recipe.init_from is None else _opened(recipe, tokenizer, tell)
    positions = module.encoder.config.max_positions
    if recipe.data.max_length > positions:
        raise ConfigError(
            f"data.max_length is {recipe.data.max_length}, but the model has {positions} positions",
            hint=f"set data.max_length to at most {positions}, or raise model.max_positions",
        )
    return module


def _fresh_model(recipe: PretrainRecipe, tokenizer: Tokenizer) -> MaskedLanguageModel:
    assert recipe.model is not None, "the recipe has either model or init_from"
    sizes = recipe.model.model_dump() | {"vocab_size": tokenizer.vocab_size, "pad_id": tokenizer.pad_id}
    config = EncoderConfig.model_validate(sizes)
    # What cannot be saved at the end is better refused now.
    require_saveable(config, ("masked_lm",), unused=("pooler",), where="model")
    module = MaskedLanguageModel(Encoder(config, pooler=False))
    noise = torch.Generator().manual_seed(recipe.train.seed)
    initialise(module, initializer_range=config.initializer_range, generator=noise)
    return module


def _opened(recipe: PretrainRecipe, tokenizer: Tokenizer, tell: Tell) -> MaskedLanguageModel:
    assert recipe.init_from is not None, "the recipe has either model or init_from"
    model = read_model(Path(recipe.init_from))
    if model.tokenizer.hash != tokenizer.hash:
        raise ConfigError(
            "the shards were made with another vocabulary than the model's",
            where=f"{recipe.data.shards} and {recipe.init_from}",
            hint=f"erya corpus tokenize DOCUMENTS --tokenizer {recipe.init_from} --out SHARDS",
        )

    def report(loaded: LoadReport) -> None:
        for line in loaded.lines():
            tell(line)

    return load_masked_language_model(
        model, allow_missing=(MASKED_HEAD,), seed=recipe.train.seed, report=report
    )
