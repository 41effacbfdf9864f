"""The teacher of a pre-training run, as its recipe says it."""

from __future__ import annotations

from pathlib import Path

from erya.checkpoints.directory import load_masked_language_model, read_model
from erya.errors import ConfigError
from erya.models.config import EncoderConfig
from erya.pretrain.objectives.distillation import Distillation, LogitsGoal, RelationsGoal
from erya.pretrain.objectives.recipe import RelationsRecipe, TeacherRecipe
from erya.tokenizer.wordpiece import Tokenizer


def build_distillation(
    recipe: TeacherRecipe,
    *,
    student: EncoderConfig,
    tokenizer: Tokenizer,
    max_length: int,
    sees_all: bool = True,
) -> Distillation:
    """Open the teacher.

    Args:
        recipe: which one, and what it teaches.
        student: of the model that learns.
        tokenizer: of the shards.
        max_length: tokens of the longest sequence.
        sees_all: whether all tokens of every sequence see all.
    Raises:
        ConfigError: its vocabulary is another one, it cannot read sequences so long or with tokens hidden
            from each other, or relation heads or layers are not there.
        CheckpointError: the directory cannot be used, or has no masked-language head.
    """
    where = recipe.model
    model = read_model(Path(where))
    if model.tokenizer.hash != tokenizer.hash:
        raise ConfigError(
            "the teacher has another vocabulary than the shards",
            where=where,
            hint="a teacher reads the same tokens as the model: take one with the shards' tokenizer",
        )
    config = model.encoder_config
    if max_length > config.max_positions:
        raise ConfigError(
            f"data.max_length is {max_length}, but the teacher has {config.max_positions} positions",
            where=where,
        )
    if config.convolution is not None and not sees_all:
        raise ConfigError(
            "patterns hide tokens from each other, but the teacher's convolution shows each its neighbours",
            where=where,
            hint="set patterns={both: 1.0}, or take a teacher without a convolution",
        )
    if recipe.relations is not None:
        _require_relations(recipe.relations, config, "teacher", recipe.relations.teacher_layer)
        _require_relations(recipe.relations, student, "model", recipe.relations.student_layer)
    return Distillation(
        load_masked_language_model(model),
        logits=None if recipe.logits is None else LogitsGoal(**recipe.logits.model_dump()),
        relations=None if recipe.relations is None else RelationsGoal(**recipe.relations.model_dump()),
    )


def _require_relations(recipe: RelationsRecipe, config: EncoderConfig, whose: str, layer: int | None) -> None:
    if config.hidden_size % recipe.num_heads:
        raise ConfigError(
            f"objective.teacher.relations.num_heads is {recipe.num_heads}, no divisor of the {whose}'s width "
            f"{config.hidden_size}"
        )
    if layer is not None and layer >= config.num_layers:
        raise ConfigError(
            f"objective.teacher.relations asks for layer {layer}; the {whose} has {config.num_layers} from 0"
        )
