"""Everything before the first step: files read and encoded, the network built, mistakes found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from erya.checkpoints.directory import read_model
from erya.data.features import Features
from erya.tasks.classify.examples import describe, read_split
from erya.tasks.classify.head import SequenceClassifier
from erya.tasks.classify.opening import blank_model, new_classifier, pretrained_encoder, random_encoder
from erya.tasks.classify.predict import length_limit
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.classify.task import ClassifyTask, Example
from erya.tasks.texts import EncodingReport
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.train.protocols import Tell


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything read, built and encoded.

    Attributes:
        task: the labels found in the training file.
        module: the network, not yet trained.
        tokenizer: the starting model's.
        train: encoded training texts, with target `labels`.
        dev: encoded dev texts, with target `labels`.
        train_report: what encoding did to the training texts.
        dev_report: what encoding did to the dev texts.
        truths: the label of each training text.
        max_length: longest input in tokens.
    """

    task: ClassifyTask
    module: SequenceClassifier
    tokenizer: AnyTokenizer
    train: list[Features]
    dev: list[Features]
    train_report: EncodingReport
    dev_report: EncodingReport
    truths: tuple[str, ...]
    max_length: int


def prepare(recipe: ClassifyRecipe, tell: Tell) -> Prepared:
    """Read, build and encode; every mistake in the data shows here, before any training.

    Args:
        recipe: what to do.
        tell: is given sentences a user should read.
    Raises:
        InputError: a file, a row or a label cannot be used, or texts are too long and may not be cut.
        CheckpointError: the model directory cannot be used.
        ConfigError: `max_length` is more than the model can take.
    """
    task, train_examples, dev_examples = read_split(
        Path(recipe.train_file), Path(recipe.dev_file), columns=recipe.columns
    )
    for line in describe(task, train_examples, dev_examples):
        tell(line)
    module, tokenizer, usual_length = _build(recipe, len(task.labels), tell)
    limit = length_limit(
        recipe.max_length, truncate=recipe.truncate, default=usual_length, encoder=module.encoder
    )
    encoded: list[tuple[list[Features], EncodingReport]] = []
    for name, examples in (("training", train_examples), ("dev", dev_examples)):
        encoded.append(task.encode(examples, tokenizer, limit=limit))
        _tell_report(name, encoded[-1][1], tell)
    (train_features, train_report), (dev_features, dev_report) = encoded
    return Prepared(
        task=task,
        module=module,
        tokenizer=tokenizer,
        train=train_features,
        dev=dev_features,
        train_report=train_report,
        dev_report=dev_report,
        truths=_truths(train_examples),
        max_length=limit.max_length,
    )


def _build(
    recipe: ClassifyRecipe, num_labels: int, tell: Tell
) -> tuple[SequenceClassifier, AnyTokenizer, int]:
    """The network, its tokenizer, and the longest input it was made for."""
    seed, start = recipe.train.seed, Path(recipe.model)
    if recipe.random_init:
        tell(f"RANDOM WEIGHTS: only sizes and vocabulary are taken from {start}; nothing it learnt is used")
        config, tokenizer = blank_model(start)
        encoder, usual_length = random_encoder(config, seed=seed), config.max_positions
    else:
        model = read_model(start)
        tokenizer, usual_length = model.tokenizer, model.info.max_length
        encoder = pretrained_encoder(model, seed=seed, tell=tell)
    dropout_prob = recipe.classifier_dropout_prob
    return new_classifier(encoder, num_labels, dropout_prob=dropout_prob, seed=seed), tokenizer, usual_length


def _truths(examples: Sequence[Example]) -> tuple[str, ...]:
    return tuple(example.label for example in examples if example.label is not None)


def _tell_report(name: str, report: EncodingReport, tell: Tell) -> None:
    for line in report.lines():
        tell(f"{name}: {line}")
    if report.has_many_unknown:
        tell(
            f"warning: {report.unknown_share:.1%} of the {name} tokens are unknown to the vocabulary; is it "
            "the right one for these texts (script, language, upper case)?"
        )
