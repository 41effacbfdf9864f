"""The models a pre-training run starts with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from erya.checkpoints.directory import ModelDirectory, load_module, read_model
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.huggingface import require_saveable
from erya.checkpoints.info import TaskName
from erya.checkpoints.loading import MASKED_HEAD, POOLER, LoadReport
from erya.errors import ConfigError
from erya.models.compiled import compile_blocks
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.masked_pairs import MaskedPairModel
from erya.models.heads.replaced_token import ReplacedTokenModel
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel, padded_rows, silence_rows
from erya.pretrain.objectives.masked import MaskedTraining
from erya.pretrain.objectives.module import ObjectiveModule
from erya.pretrain.objectives.replaced import ReplacedTraining, generator_config, share_embeddings
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.teacher import build_distillation
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.protocols import Tell

# Parts that a model to go on from need not have.
_MAY_MISS = (MASKED_HEAD, POOLER, "next_sentence.", "discriminator.")


@dataclass(frozen=True, slots=True)
class Start:
    """What training begins with.

    Attributes:
        module: the models and their losses.
        lacks_head: the model to go on from had no masked-language head; the one it has now is noise.
    """

    module: ObjectiveModule
    lacks_head: bool = False


def build_start(recipe: PretrainRecipe, tokenizer: Tokenizer, *, tell: Tell) -> Start:
    """Fresh models of the recipe's sizes, or the one to go on from, with what they are to learn.

    Raises:
        ConfigError: sequences are longer than a model's positions, a vocabulary is another one, or the
            objective is not for such a model.
        CheckpointError: a directory cannot be used, or no file could say what the model is.
    """
    opened = None if recipe.init_from is None else _opened(recipe.init_from, recipe, tokenizer)
    config = _fresh_config(recipe, tokenizer) if opened is None else opened.encoder_config
    _require_positions(recipe, config)
    _require_patterns(recipe, config)
    _require_saveable(recipe, config, tell)
    noise = torch.Generator().manual_seed(recipe.train.seed)
    model = _make_model(recipe, config)
    if opened is None:
        initialise(model, initializer_range=config.initializer_range, generator=noise)
        missing: tuple[str, ...] = (MASKED_HEAD,)
    else:
        missing = _load(model, opened, recipe, tell)
    lacks_head = isinstance(model, MaskedLanguageModel) and any(n.startswith(MASKED_HEAD) for n in missing)
    if isinstance(model, MaskedLanguageModel) and lacks_head:
        silence_rows(model, tokenizer.vocab_size)
    module = _make_objective(model, recipe, tokenizer, noise)
    for encoder in module.encoders():
        encoder.checkpoint_activations = recipe.train.checkpoint_activations
        if recipe.train.compile:
            compile_blocks(encoder)
    if isinstance(module, ReplacedTraining):
        narrow = module.generator.encoder.config  # whole heads and layers: not just the shares asked for
        tell(
            f"the generator: {narrow.num_layers} layers, {narrow.hidden_size} wide; the model: "
            f"{config.num_layers} layers, {config.hidden_size} wide"
        )
    if opened is not None:
        _tell_what_is_new(module, recipe, lacks_head, tell)
    return Start(module, lacks_head and opened is not None)


def main_tasks(recipe: PretrainRecipe, config: EncoderConfig) -> tuple[TaskName, ...]:
    """The heads that the model is saved with."""
    if recipe.objective.kind == "replaced":
        return ("replaced_token",)
    both: tuple[TaskName, ...] = ("masked_lm", "next_sentence")
    keeps_pairs = recipe.objective.pairs != "none" and FAMILIES[config.family].class_for(both) is not None
    return both if keeps_pairs else ("masked_lm",)


def _require_positions(recipe: PretrainRecipe, config: EncoderConfig) -> None:
    positions = config.max_positions
    if recipe.data.max_length > positions:
        raise ConfigError(
            f"data.max_length is {recipe.data.max_length}, but the model has {positions} positions",
            hint=f"set data.max_length to at most {positions}, or raise model.max_positions",
        )


def _require_patterns(recipe: PretrainRecipe, config: EncoderConfig) -> None:
    if config.convolution is not None and not recipe.patterns.is_plain:
        raise ConfigError(
            "patterns hide tokens from each other, but the model's convolution shows each its neighbours",
            hint="set patterns={both: 1.0}, or model.convolution=null",
        )


def _fresh_config(recipe: PretrainRecipe, tokenizer: Tokenizer) -> EncoderConfig:
    assert recipe.model is not None, "the recipe has either model or init_from"
    rows = padded_rows(tokenizer.vocab_size)
    sizes = recipe.model.model_dump() | {"vocab_size": rows, "pad_id": tokenizer.pad_id}
    return EncoderConfig.model_validate(sizes)


def _opened(directory: str, recipe: PretrainRecipe, tokenizer: Tokenizer) -> ModelDirectory:
    model = read_model(Path(directory))
    if model.tokenizer.hash != tokenizer.hash:
        raise ConfigError(
            "the shards were made with another vocabulary than the model's",
            where=f"{recipe.data.shards} and {directory}",
            hint=f"erya corpus tokenize DOCUMENTS --tokenizer {directory} --out SHARDS",
        )
    return model


def _require_saveable(recipe: PretrainRecipe, config: EncoderConfig, tell: Tell) -> None:
    """What cannot be saved at the end is better refused now."""
    tasks = main_tasks(recipe, config)
    require_saveable(config, tasks, unused=("pooler",) if len(tasks) == 1 else (), where="model")
    if recipe.objective.pairs == "none":
        return
    if config.pooler.pooling != "first":
        raise ConfigError(
            f"objective.pairs is {recipe.objective.pairs}, but the model's pooler takes no first tokens",
            hint="set objective.pairs=none",
        )
    if len(tasks) == 1:
        tell(
            f"warning: the family {config.family} has no class with a head for pairs beside that for masked "
            "tokens: pairs are trained on, their head and the pooler are not saved"
        )


def _make_model(recipe: PretrainRecipe, config: EncoderConfig) -> MaskedLanguageModel | ReplacedTokenModel:
    """The main model, without values yet."""
    if recipe.objective.kind == "replaced":
        return ReplacedTokenModel(Encoder(config, pooler=False))
    if recipe.objective.pairs != "none":
        return MaskedPairModel(Encoder(config))
    return MaskedLanguageModel(Encoder(config, pooler=False))


def _load(
    model: MaskedLanguageModel | ReplacedTokenModel,
    opened: ModelDirectory,
    recipe: PretrainRecipe,
    tell: Tell,
) -> tuple[str, ...]:
    """Copy the values of the model to go on from; returns the names of what starts at random."""
    missing: list[str] = []

    def report(loaded: LoadReport) -> None:
        missing.extend(loaded.fresh)
        for line in loaded.lines():
            tell(line)

    load_module(model, opened, allow_missing=_MAY_MISS, seed=recipe.train.seed, report=report)
    return tuple(missing)


def _tell_what_is_new(module: ObjectiveModule, recipe: PretrainRecipe, lacks_head: bool, tell: Tell) -> None:
    """Of a model that is gone on with, besides what its directory lacks."""
    if isinstance(module, ReplacedTraining):
        tell("the generator is new: all of it starts at random but the embeddings it shares with the model")
    if recipe.objective.refit_head_steps and not lacks_head:
        tell("the model has its masked-language head, so objective.refit_head_steps changes nothing")


def _make_objective(
    model: MaskedLanguageModel | ReplacedTokenModel,
    recipe: PretrainRecipe,
    tokenizer: Tokenizer,
    noise: torch.Generator,
) -> ObjectiveModule:
    objective, config = recipe.objective, model.encoder.config
    if isinstance(model, MaskedLanguageModel):
        teacher = objective.teacher
        return MaskedTraining(
            model,
            masked_weight=1.0 if teacher is None else teacher.masked_weight,
            pair_weight=objective.pair_weight,
            keeps_pairs=len(main_tasks(recipe, config)) > 1,
            distillation=None
            if teacher is None
            else build_distillation(
                teacher,
                student=config,
                tokenizer=tokenizer,
                max_length=recipe.data.max_length,
                sees_all=recipe.patterns.is_plain,
            ),
        )
    wanted = objective.generator
    assert wanted is not None, "a recipe for replaced tokens says it"
    narrow = generator_config(config, width=wanted.width, depth=wanted.depth)
    require_saveable(narrow, ("masked_lm",), unused=("pooler",), where="the generator")
    generator = MaskedLanguageModel(Encoder(narrow, pooler=False))
    initialise(generator, initializer_range=config.initializer_range, generator=noise)
    silence_rows(generator, tokenizer.vocab_size)
    share_embeddings(generator.encoder, model.encoder)
    return ReplacedTraining(generator, model, weight=wanted.weight, temperature=wanted.temperature)
