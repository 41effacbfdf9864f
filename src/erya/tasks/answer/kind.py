"""Reading comprehension as a kind of task: its files, its options, its network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from erya.checkpoints.info import KindName, ModelInfo, TaskName
from erya.config import validate
from erya.errors import CheckpointError, ConfigError, InputError
from erya.tasks.answer.reading import Example, check_answers, places_of, read_questions
from erya.tasks.answer.recipe import AnswerRecipe, AnswerSettings
from erya.tasks.answer.task import AnswerTask
from erya.tasks.kind import Kind

if TYPE_CHECKING:
    from erya.checkpoints.directory import ModelDirectory
    from erya.models.encoder import Encoder
    from erya.tasks.answer.head import AnswerLearner


class AnswerKind:
    """Extractive reading comprehension, with or without questions that have no answer."""

    name: ClassVar[KindName] = "answer"
    summary = "answers to questions, cut out of a context"
    recipe = AnswerRecipe
    inputs = ("question", "context")
    optional_inputs: frozenset[str] = frozenset()
    head: ClassVar[TaskName | None] = "answer"
    needs_pooler = False

    def examples(self, path: Path, *, columns: Mapping[str, str], labelled: bool) -> Iterator[Example]:
        """The questions of a file as SQuAD, CMRC 2018 and DRCD have it, or of rows."""
        return read_questions(path, columns=columns, labelled=labelled)

    def task_for(self, recipe: AnswerRecipe, train: Sequence[Example]) -> AnswerTask:
        """Whether the training file has questions without an answer; and that it has some with one."""
        check_answers(train, recipe.bad_answers, name="training")
        if not any(places_of(example, recipe.bad_answers) for example in train):
            raise InputError(
                f"none of {len(train):,} questions has an answer whose place is known: nothing can be learnt",
                where=recipe.train_file,
                hint='answers: [{"text": "...", "start": 12}], in characters of the context',
            )
        return AnswerTask(recipe.settings(can_abstain=any(example.answers == () for example in train)))

    def task_from(self, info: ModelInfo) -> AnswerTask:
        """The options of a model directory; those of a foreign one are the usual."""
        try:
            return AnswerTask(validate(AnswerSettings, info.settings, where="the settings of erya.json"))
        except ConfigError as error:
            raise CheckpointError(error.what, where=error.where, hint=error.hint) from None

    def check(self, task: AnswerTask, dev: Sequence[Example]) -> None:
        """Every answer of the dev file is at its place, unless that is not asked for."""
        check_answers(dev, task.options.bad_answers, name="dev")

    def describe(self, task: AnswerTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
        """How many questions there are, and what is the matter with their answers."""
        bad = task.options.bad_answers
        return [
            f"{len(train):,} training and {len(dev):,} dev questions; without an answer: "
            f"{sum(e.answers == () for e in train):,}+{sum(e.answers == () for e in dev):,}",
            *check_answers(train, bad, name="training"),
            *check_answers(dev, bad, name="dev"),
            *_too_long(task, train),
            *_warnings(task, train, dev),
        ]

    def new_learner(
        self, encoder: Encoder, task: AnswerTask, recipe: AnswerRecipe, train: Sequence[Example]
    ) -> AnswerLearner:
        """A fresh head on `encoder`."""
        from torch.nn import ModuleList

        from erya.models.heads.spans import SpanModel
        from erya.tasks.answer.head import AnswerLearner
        from erya.tasks.opening import initialise_head

        network = SpanModel(encoder)
        parts = ModuleList([network.transform, network.spans])
        initialise_head(parts, encoder.config, seed=recipe.train.seed)
        return AnswerLearner(network)

    def open_learner(self, model: ModelDirectory, task: AnswerTask) -> AnswerLearner:
        """The span model of a fine-tuned directory."""
        from erya.checkpoints.directory import load_with_head
        from erya.models.heads.spans import SpanModel
        from erya.tasks.answer.head import AnswerLearner

        network = load_with_head(model, "answer")
        assert isinstance(network, SpanModel)
        return AnswerLearner(network)


def _too_long(task: AnswerTask, train: Sequence[Example]) -> list[str]:
    limit = task.options.max_answer_length
    lengths = [len(answer.text) for example in train for answer in example.answers or ()]
    long = sum(length > limit for length in lengths)
    if not long:
        return []
    return [
        f"warning: {long:,} training answers are longer than max_answer_length={limit} and will never be "
        f"given; the longest has {max(lengths)} characters"
    ]


def _warnings(task: AnswerTask, train: Sequence[Example], dev: Sequence[Example]) -> list[str]:
    """What makes a score meaningless."""
    lines = []
    asked = {(example.question, example.context) for example in train}
    seen = sum((example.question, example.context) in asked for example in dev)
    if seen:
        lines.append(
            f"warning: {seen:,} dev questions ({seen / len(dev):.1%}) stand in the training file too"
        )
    if not task.options.can_abstain and any(example.answers == () for example in dev):
        lines.append(
            "warning: some dev questions have no answer, but all training questions have one: every answer "
            "to them will be wrong"
        )
    return lines


if TYPE_CHECKING:
    _: Kind[AnswerRecipe, AnswerTask, Example] = AnswerKind()
