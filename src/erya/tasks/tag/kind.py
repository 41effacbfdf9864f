"""Tagging as a kind of task: its files, its types, its networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.config import validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.tasks.kind import Kind
from erya.tasks.tag.reading import Entity, Example, read_examples, require_fit
from erya.tasks.tag.recipe import TagRecipe, TagSettings
from erya.tasks.tag.schemes import TagSet
from erya.tasks.tag.task import TagTask

if TYPE_CHECKING:
    from erya.checkpoints.directory import ModelDirectory
    from erya.models.encoder import Encoder
    from erya.tasks.tag.head import SpanPairLearner, TokenLearner

_FEW = 5


class TagKind:
    """Entities, words or parts of speech: spans of a text with a type."""

    name: ClassVar[KindName] = "tag"
    summary = "entities or words of a text, as spans with a type"
    recipe = TagRecipe
    inputs = ("text",)
    optional_inputs: frozenset[str] = frozenset()
    head: ClassVar[TaskName | None] = "tag"
    needs_pooler = False

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The texts of a file of any layout that entities come in."""
        return read_examples(path, columns=columns, labelled=labelled)

    def task_for(self, recipe: TagRecipe, train: Sequence[Example]) -> TagTask:
        """The types of the training file, by code point; and whether every character is in an entity."""
        require_fit(train, recipe.bad_entities)
        types = sorted({entity.type for example in train for entity in example.entities or ()})
        if not types:
            raise InputError(
                f"none of {len(train):,} texts has an entity: there is nothing to find",
                where=recipe.train_file,
                hint='entities: [{"start": 0, "end": 2, "type": "PER"}], in characters of the text',
            )
        if recipe.head == "span_pairs":
            return TagTask(tuple(types), recipe.settings(every_token=False))
        every_token = all(_is_covered(example) for example in train)
        labels = TagSet.of_types(recipe.scheme, types).labels
        if recipe.bad_entities == "refuse":
            _require_flat(train)
        return TagTask(labels, recipe.settings(every_token=every_token))

    def task_from(self, info: ModelInfo) -> TagTask:
        """Types and options of a model directory; those of a foreign one are told by its labels."""
        try:
            options = validate(TagSettings, info.settings, where="the settings of erya.json")
        except ConfigError as error:
            raise CheckpointError(error.what, where=error.where, hint=error.hint) from None
        return TagTask(info.labels or (), options)

    def check(self, task: TagTask, dev: Sequence[Example]) -> None:
        """Every entity of the dev file fits its text, has a type of the training file, and can be said."""
        require_fit(dev, task.options.bad_entities)
        for example in dev:
            task.require_types(example)
        if task.options.head != "span_pairs" and task.options.bad_entities == "refuse":
            _require_flat(dev)

    def describe(self, task: TagTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
        """The spread of types, and warnings about what makes a score meaningless."""
        in_train, in_dev = (
            Counter(entity.type for example in examples for entity in example.entities or ())
            for examples in (train, dev)
        )
        spread = ", ".join(f"{kind} {in_train[kind]:,}+{in_dev[kind]:,}" for kind in task.types)
        lines = [f"{len(train):,} training and {len(dev):,} dev texts; entities by type: {spread}"]
        if task.options.every_token:
            lines.append(
                "every character of the training texts is in an entity: so will every one be in answers"
            )
        for name, counts, least in (("dev entities", in_dev, 1), ("training entities", in_train, _FEW)):
            rare = [kind for kind in task.types if counts[kind] < least]
            if rare:
                lines.append(f"warning: fewer than {least} {name} of type {', '.join(rare)}")
        for examples in (train, dev):
            lines += require_fit(examples, task.options.bad_entities)
        return lines + _overlap(train, dev)

    def new_learner(
        self, encoder: Encoder, task: TagTask, recipe: TagRecipe, train: Sequence[Example]
    ) -> TokenLearner | SpanPairLearner:
        """A fresh head on `encoder`."""
        from torch.nn import ModuleList

        from erya.tasks.opening import initialise_head

        learner = _learner(encoder, task, recipe.classifier_dropout_prob)
        fresh = [module for name, module in learner.network.named_children() if name != "encoder"]
        initialise_head(ModuleList(fresh), encoder.config, seed=recipe.train.seed)
        return learner

    def open_learner(self, model: ModelDirectory, task: TagTask) -> TokenLearner | SpanPairLearner:
        """The network of a fine-tuned directory, ours or a token classifier of Hugging Face's."""
        from erya.checkpoints.directory import load_module
        from erya.models.encoder import Encoder

        encoder = Encoder(model.encoder_config, pooler=False)
        learner = _learner(encoder, task, model.info.classifier_dropout_prob)
        load_module(learner.network, model)
        return learner


def _learner(encoder: Encoder, task: TagTask, dropout_prob: float | None) -> TokenLearner | SpanPairLearner:
    from erya.models.heads.chain import ChainClassifier
    from erya.models.heads.pairs import SpanPairModel
    from erya.models.heads.tokens import TokenClassifier
    from erya.tasks.tag.head import ChainLearner, SpanPairLearner, TokenLearner

    options, size = task.options, len(task.labels)
    if options.head == "span_pairs":
        pairs = SpanPairModel(encoder, size, head_size=options.head_size, dropout_prob=dropout_prob)
        return SpanPairLearner(pairs, threshold=options.threshold)
    if options.head == "crf":
        chain = ChainClassifier(encoder, size, dropout_prob=dropout_prob, scale=options.crf_scale)
        return ChainLearner(chain)
    return TokenLearner(TokenClassifier(encoder, size, dropout_prob=dropout_prob))


def _is_covered(example: Example) -> bool:
    """Whether every character but white space is in an entity."""
    rest = list(example.text)
    for entity in example.entities or ():
        rest[entity.start : entity.end] = " " * (entity.end - entity.start)
    return not "".join(rest).strip()


def _require_flat(examples: Sequence[Example]) -> None:
    """Refuse entities that share characters: of several tags a token has one."""
    for example in examples:
        ordered = sorted(example.entities or (), key=lambda entity: (entity.start, entity.end))
        for one, other in pairwise(ordered):
            if other.start < one.end:
                raise InputError(
                    f"entities overlap: {_shown(one)} and {_shown(other)}",
                    where=example.where,
                    hint="head=span_pairs finds entities that nest or overlap; bad_entities=skip learns the "
                    "first only, and counts the others",
                )


def _shown(entity: Entity) -> str:
    return f"{entity.type} {entity.text[:30]!r} from {entity.start} to {entity.end}"


def _overlap(train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
    """Texts that stand in both files."""
    known = {example.text for example in train}
    seen = sum(example.text in known for example in dev)
    if not seen:
        return []
    return [f"warning: {seen:,} dev texts ({seen / len(dev):.1%}) stand in the training file too"]


if TYPE_CHECKING:
    _: Kind[TagRecipe, TagTask, Example] = TagKind()
