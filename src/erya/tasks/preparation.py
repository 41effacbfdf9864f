"""Everything before the first step: files read and encoded, the network built, mistakes found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from erya.tasks.craft.applying import crafted
from erya.tasks.kind import AnyKind
from erya.tasks.learner import Learner
from erya.tasks.limits import length_limit
from erya.tasks.opening import Start, open_start
from erya.tasks.preflight.run import look_over
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.splits import read_split
from erya.tasks.table import KINDS
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import EncodingReport
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.train.protocols import Tell


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything read, built and encoded.

    Attributes:
        kind: of the task.
        task: what the training file is about: its labels.
        learner: the network, not yet trained, and its losses, with what craft adds.
        tokenizer: the starting model's.
        train: encoded training examples, with targets.
        dev_examples: the dev examples.
        dev: the same, encoded, with targets.
        max_length: longest input in tokens.
    """

    kind: AnyKind
    task: Task[Any, Any]
    learner: Learner
    tokenizer: AnyTokenizer
    train: Encoded
    dev_examples: Sequence[Any]
    dev: Encoded
    max_length: int


def prepare(recipe: FinetuneRecipe, tell: Tell, *, start: Start | None = None) -> Prepared:
    """Read, build and encode; every mistake in the data shows here, before any training.

    Args:
        recipe: what to do.
        tell: is given sentences a user should read.
        start: the network to begin with, where it is shared; None opens the recipe's.
    Raises:
        InputError: a file, a row or a label cannot be used, or texts are too long and may not be cut.
        CheckpointError: the model directory cannot be used.
        ConfigError: `max_length` is more than the model can take, or the craft does not fit the task.
    """
    kind = KINDS[recipe.kind]
    recipe.craft.require_fits(kind.name)
    task, train_examples, dev_examples = read_split(kind, recipe)
    described = kind.describe(task, train_examples, dev_examples)
    for line in [*described, *look_over(kind, recipe, train_examples, dev_examples)]:
        tell(line)
    start = start or open_start(recipe, pooler=kind.needs_pooler, tell=tell)
    learner = crafted(
        kind.new_learner(start.encoder, task, recipe, train_examples),
        recipe.craft,
        tokenizer=start.tokenizer,
        seed=recipe.train.seed,
        tell=tell,
    )
    train, dev = (
        _encoded(name, examples, task, start, recipe, tell)
        for name, examples in (("training", train_examples), ("dev", dev_examples))
    )
    return Prepared(
        kind=kind,
        task=task,
        learner=learner,
        tokenizer=start.tokenizer,
        train=train,
        dev_examples=dev_examples,
        dev=dev,
        max_length=recipe.max_length or start.usual_length,
    )


def _encoded(
    name: str, examples: Sequence[Any], task: Task[Any, Any], start: Start, recipe: FinetuneRecipe, tell: Tell
) -> Encoded:
    limit = length_limit(
        recipe.max_length,
        truncate=recipe.truncate,
        default=start.usual_length,
        positions=start.encoder.config.max_positions,
    )
    encoded = task.encode(examples, start.tokenizer, limit=limit)
    _tell_report(name, encoded.report, tell)
    return encoded


def _tell_report(name: str, report: EncodingReport, tell: Tell) -> None:
    for line in report.lines():
        tell(f"{name}: {line}")
    if report.has_many_unknown:
        tell(
            f"warning: {report.unknown_share:.1%} of the {name} tokens are unknown to the vocabulary; is it "
            "the right one for these texts (script, language, upper case)?"
        )
