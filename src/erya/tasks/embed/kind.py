"""Sentence vectors as a kind of task: its files, its checks, its network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.config import validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.tasks.embed.examples import Example, read_texts, require_pairs, require_scores
from erya.tasks.embed.recipe import EmbedRecipe, EmbedSettings
from erya.tasks.embed.task import EmbedTask
from erya.tasks.kind import Kind

if TYPE_CHECKING:
    from erya.checkpoints.directory import ModelDirectory
    from erya.models.encoder import Encoder
    from erya.tasks.embed.head import EmbedLearner


class EmbedKind:
    """One vector for each text, such that texts that mean the same lie close together."""

    name: ClassVar[KindName] = "embed"
    summary = "a vector for each text, for comparing and searching"
    recipe = EmbedRecipe
    inputs = ("text", "pair")
    optional_inputs = frozenset({"pair"})
    head: ClassVar[TaskName | None] = None
    needs_pooler = False

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The rows of a file, or the lines of a .txt."""
        return read_texts(path, columns=columns, labelled=labelled)

    def task_for(self, recipe: EmbedRecipe, train: Sequence[Example]) -> EmbedTask:
        """The settings of the recipe; what its objective needs must stand in the training file."""
        why = f"objective={recipe.objective} learns from"
        if recipe.objective in ("in_batch", "cosent"):
            require_pairs(train, column=recipe.pair, why=why)
        if recipe.objective == "cosent":
            require_scores(train, column=recipe.score, why=why)
        if recipe.objective == "in_batch" and any(example.score is not None for example in train):
            raise InputError(
                f"the training file has scores (column {recipe.score!r}): in_batch takes every pair as one "
                "that means the same",
                where=train[0].where.rpartition(", line")[0] or None,
                hint="objective=cosent learns from scores; or name another column: --score none",
            )
        if len({example.text for example in train}) < 2:
            raise InputError("all training texts are the same: there is nothing to tell apart")
        return EmbedTask(recipe.settings)

    def task_from(self, info: ModelInfo) -> EmbedTask:
        """The settings of a model directory; of an encoder that was never told, the mean of its states."""
        try:
            return EmbedTask(validate(EmbedSettings, info.settings, where="erya.json, settings"))
        except ConfigError as error:
            raise CheckpointError(error.what, where=error.where, hint=error.hint) from None

    def check(self, task: EmbedTask, dev: Sequence[Example]) -> None:
        """The dev file has pairs: of all the score or of none."""
        require_pairs(dev, column="pair", why="the dev file is judged by")
        scored = [example for example in dev if example.score is not None]
        if scored and len(scored) < len(dev):
            lacking = next(example for example in dev if example.score is None)
            raise InputError("some dev pairs have a score and some have none", where=lacking.where)

    def describe(self, task: EmbedTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
        """How many texts there are, and warnings about what makes a score meaningless."""
        seen = {example.texts for example in train}
        both = sum(example.texts in seen for example in dev)
        negatives = sum(len(example.negatives) for example in train)
        texts = sum(len(example.texts) for example in train)
        how = "without scores" if any(example.score is None for example in dev) else "with scores"
        lines = [
            f"{len(train):,} training examples ({texts:,} texts, {negatives:,} of them hard negatives) and "
            f"{len(dev):,} dev pairs {how}"
        ]
        if both:
            lines.append(
                f"warning: {both:,} dev examples ({both / len(dev):.1%}) stand in the training file too"
            )
        return lines

    def new_learner(
        self, encoder: Encoder, task: EmbedTask, recipe: EmbedRecipe, train: Sequence[Example]
    ) -> EmbedLearner:
        """The encoder with its pooling; nothing starts at random."""
        from erya.models.heads.sentence import SentenceEncoder
        from erya.tasks.embed.head import Contrast, EmbedLearner
        from erya.train.ranks import environment_ranks

        width = encoder.config.hidden_size
        if any(size > width for size in recipe.sizes):
            raise ConfigError(f"sizes {list(recipe.sizes)}: the vectors have {width} numbers")
        if not environment_ranks().is_alone:
            raise ConfigError(
                "sentence vectors are trained by one process: the examples of a batch are compared with each "
                "other, which those of several processes are not",
                hint="run it without torchrun; chunk_tokens lets one process take large batches",
            )
        if recipe.objective == "simcse":
            _require_dropout(encoder, recipe)
        network = SentenceEncoder(encoder, pooling=recipe.pooling)
        contrast = Contrast(recipe.objective, recipe.temperature, recipe.sizes)
        return EmbedLearner(
            network, contrast=contrast, normalise=recipe.normalise, chunk_tokens=recipe.chunk_tokens
        )

    def open_learner(self, model: ModelDirectory, task: EmbedTask) -> EmbedLearner:
        """The encoder of a directory with the pooling of its settings."""
        from erya.checkpoints.directory import load_encoder
        from erya.models.heads.sentence import SentenceEncoder
        from erya.tasks.embed.head import EmbedLearner

        network = SentenceEncoder(load_encoder(model, pooler=False), pooling=task.options.pooling)
        return EmbedLearner(network, normalise=task.options.normalise)


def _require_dropout(encoder: Encoder, recipe: EmbedRecipe) -> None:
    """Without dropout the two views of a text are one, and nothing is learnt from them."""
    from erya.tasks.craft.dropouts import has_dropout

    craft = recipe.craft
    given = (craft.hidden_dropout_prob, craft.attention_dropout_prob, craft.lora and craft.lora.dropout_prob)
    if not any(given) and not has_dropout(encoder.modules()):
        raise ConfigError(
            "objective=simcse compares a text with itself under other dropout, and this model has none",
            hint="set craft.hidden_dropout_prob=0.1",
        )


if TYPE_CHECKING:
    _: Kind[EmbedRecipe, EmbedTask, Example] = EmbedKind()
