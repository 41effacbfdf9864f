"""The model directory: the only hand-over between training and everything after it.

A Hugging Face directory (`config.json`, `model.safetensors`, a tokenizer) plus `erya.json`. Any Hugging Face
directory of a family Erya has opens too; what `erya.json` would say is then inferred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from erya.bundled import located
from erya.checkpoints.configuration import infer_info, read_config_file, read_configuration, understand
from erya.checkpoints.families.family import ENCODER_PREFIX
from erya.checkpoints.huggingface import ForeignConfig
from erya.checkpoints.info import ABSENT_HEAD, ModelInfo, TaskName
from erya.checkpoints.loading import POOLER, Reporter, load_tensors, log_report
from erya.checkpoints.names import NamePlan, plan_names
from erya.checkpoints.tensors import RenamedTensors, headers_of, open_tensors
from erya.checkpoints.weights import find_weights, read_headers
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.next_sentence import NextSentenceModel
from erya.models.heads.replaced_token import ReplacedTokenModel
from erya.models.heads.sequence import SequenceClassifier
from erya.models.heads.spans import SpanModel
from erya.models.heads.tokens import TokenClassifier
from erya.models.masked_lm import MaskedLanguageModel
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.opening import open_tokenizer


@dataclass(frozen=True)
class ModelDirectory:
    """An open model directory.

    Attributes:
        path: where it is.
        info: its `erya.json`, or what its other files say in place of one.
        encoder_config: sizes and options of the encoder.
        tensors: the weights by our names (`encoder.*`, `head.*`, `classifier.*`), read when asked for.
        heads: the tasks whose heads are there.
        notes: what a user should know about how it was opened, a sentence each.
    """

    path: Path
    info: ModelInfo
    encoder_config: EncoderConfig
    tensors: RenamedTensors
    heads: tuple[TaskName, ...]
    notes: tuple[str, ...]

    @property
    def has_pooler(self) -> bool:
        """Whether the directory holds the dense layer on the first token."""
        return any(name.startswith(POOLER) for name in self.tensors)

    @cached_property
    def tokenizer(self) -> AnyTokenizer:
        """The directory's tokenizer.

        Raises:
            CheckpointError: it has more pieces than the embedding has rows.
        """
        tokenizer = open_tokenizer(self.path)
        require_vocabulary_fits(tokenizer, self.encoder_config, where=str(self.path))
        return tokenizer


def require_vocabulary_fits(tokenizer: AnyTokenizer, config: EncoderConfig, *, where: str) -> None:
    """Check that every id the tokenizer gives has a row in the embedding; more rows are only padding.

    Raises:
        CheckpointError: the tokenizer has more pieces than there are rows.
    """
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"the vocabulary has {tokenizer.vocab_size} pieces, the embedding only {config.vocab_size} rows",
            where=where,
            hint="this vocabulary belongs to another model",
        )


def read_model(directory: Path) -> ModelDirectory:
    """Open a model directory: ours or any Hugging Face one of a family Erya has. Weights are not read yet.

    Raises:
        CheckpointError: a file is missing or damaged, an option is one Erya does not have, or tensors are
            left over; the message lists them.
    """
    directory = located(directory)
    read_config_file(directory)  # a directory without one is no model, whatever else is missing
    files = find_weights(directory)
    stored = open_tensors(files)
    # Those of pickled files are known only once these are open.
    headers = read_headers(files) if files.kind == "safetensors" else headers_of(stored)
    _, foreign, info = read_configuration(directory, headers=headers)
    return _open(foreign, info, stored, directory)


def open_tensors_as_model(
    data: Mapping[str, Any], stored: Mapping[str, Tensor], directory: Path
) -> ModelDirectory:
    """A model of tensors that come from elsewhere, under Hugging Face's names.

    Args:
        data: the contents of a `config.json` for it.
        stored: the tensors.
        directory: where it comes from; its tokenizer is opened there.
    Raises:
        CheckpointError: an option is one Erya does not have, or tensors are left over.
    """
    foreign = understand(data, headers_of(stored), directory)
    return _open(foreign, infer_info(foreign, where=str(directory)), stored, directory)


def _open(
    foreign: ForeignConfig, info: ModelInfo, stored: Mapping[str, Tensor], directory: Path
) -> ModelDirectory:
    plan = plan_names(stored, foreign.family, foreign.encoder, foreign.heads)
    _require_known(plan, foreign, directory)
    tensors = RenamedTensors(stored, plan, where=str(directory))
    tensors.require_derived(foreign.family.derived(foreign.encoder), where=str(directory))
    return ModelDirectory(directory, info, foreign.encoder, tensors, foreign.heads, foreign.notes)


def load_encoder(
    directory: Path | ModelDirectory,
    *,
    pooler: bool = True,
    allow_missing: tuple[str, ...] = (),
    seed: int = 0,
    report: Reporter = log_report,
) -> Encoder:
    """Build the encoder of a model directory.

    Args:
        directory: where it is, or the directory already open.
        pooler: whether to have the dense layer on the first token.
        allow_missing: parts that may start at random: `POOLER` for a directory that has none.
        seed: of the noise for what is missing.
        report: told what starts at random and what was not used; logs it unless told otherwise.
    Raises:
        CheckpointError: tensors are missing, left over or of another shape; the message lists them.
    """
    model = directory if isinstance(directory, ModelDirectory) else read_model(directory)
    encoder = Encoder(model.encoder_config, pooler=pooler)
    _load(encoder, model, ENCODER_PREFIX, allow_missing, seed, report)
    return encoder


def load_masked_language_model(
    directory: Path | ModelDirectory,
    *,
    allow_missing: tuple[str, ...] = (),
    seed: int = 0,
    report: Reporter = log_report,
) -> MaskedLanguageModel:
    """Build the masked language model of a model directory.

    Args:
        directory: where it is, or the directory already open.
        allow_missing: parts that may start at random: `MASKED_HEAD` for a directory that has no such head.
        seed: of the noise for what is missing.
        report: told what starts at random and what was not used; logs it unless told otherwise.
    Raises:
        CheckpointError: tensors are missing, left over or of another shape, or the stored decoder is not
            tied to the embeddings.
    """
    model = directory if isinstance(directory, ModelDirectory) else read_model(directory)
    module = MaskedLanguageModel(Encoder(model.encoder_config, pooler=False))
    load_module(module, model, allow_missing=allow_missing, seed=seed, report=report)
    return module


def load_module(
    module: nn.Module,
    model: ModelDirectory,
    *,
    allow_missing: tuple[str, ...] = (),
    seed: int = 0,
    report: Reporter = log_report,
) -> None:
    """Copy a model directory's values into a model, in place.

    Args:
        module: with an `encoder` of the directory's configuration and any heads.
        model: the directory.
        allow_missing: prefixes of the names of parts that may start at random.
        seed: of the noise for what is missing.
        report: told what starts at random and what was not used; logs it unless told otherwise.
    Raises:
        CheckpointError: tensors are missing, left over or of another shape, or the stored decoder of a
            masked language model is not tied to the embeddings.
    """
    if isinstance(module, MaskedLanguageModel):
        model.tensors.require_tied(where=str(model.path))
    _load(module, model, "", allow_missing, seed, report)


def load_with_head(
    directory: Path | ModelDirectory, task: TaskName, *, report: Reporter = log_report
) -> nn.Module:
    """Build the encoder of a model directory with the head of a task.

    Args:
        directory: where it is, or the directory already open.
        task: which head.
        report: told what was not used; logs it unless told otherwise.
    Returns:
        A `MaskedLanguageModel`, or the class in `erya.models.heads` for the task.
    Raises:
        CheckpointError: there is no such head, or tensors are missing, left over or of another shape.
    """
    model = directory if isinstance(directory, ModelDirectory) else read_model(directory)
    if task not in model.heads:
        raise CheckpointError(
            f"there is no head for {task}; there are: {', '.join(model.heads) or 'none, an encoder alone'}",
            where=str(model.path),
            hint=ABSENT_HEAD if task == "masked_lm" else None,
        )
    if task == "masked_lm":
        return load_masked_language_model(model, report=report)
    module = make_head(task, model.encoder_config, model.info)
    _load(module, model, "", (), 0, report)
    return module


def make_head(task: TaskName, config: EncoderConfig, info: ModelInfo) -> nn.Module:
    """An encoder with the head of a task, without values yet.

    Args:
        task: which head.
        config: of the encoder.
        info: labels and dropout of a classifier.
    """
    dropout_prob = info.classifier_dropout_prob
    num_labels = 1 if info.labels is None else len(info.labels)
    makers: dict[TaskName, Callable[[], nn.Module]] = {
        "masked_lm": lambda: MaskedLanguageModel(Encoder(config, pooler=False)),
        "classify": lambda: SequenceClassifier(Encoder(config), num_labels, dropout_prob=dropout_prob),
        "tag": lambda: TokenClassifier(Encoder(config, pooler=False), num_labels, dropout_prob=dropout_prob),
        "answer": lambda: SpanModel(Encoder(config, pooler=False)),
        "next_sentence": lambda: NextSentenceModel(Encoder(config)),
        "replaced_token": lambda: ReplacedTokenModel(Encoder(config, pooler=False)),
    }
    return makers[task]()


def _load(
    module: nn.Module,
    model: ModelDirectory,
    prefix: str,
    allow_missing: tuple[str, ...],
    seed: int,
    report: Reporter,
) -> None:
    loaded = load_tensors(
        module,
        model.tensors,
        where=str(model.path),
        prefix=prefix,
        allow_missing=allow_missing,
        initializer_range=model.encoder_config.initializer_range,
        seed=seed,
    )
    report(replace(loaded, unused=loaded.unused + model.tensors.plan.unused, notes=model.notes))


def _require_known(plan: NamePlan, foreign: ForeignConfig, directory: Path) -> None:
    problems = []
    name = foreign.family.class_prefix
    if plan.unknown:
        problems.append(f"{len(plan.unknown)} that no {name} has: {', '.join(plan.unknown)}")
    if plan.incomplete:
        parts = [part for missing in plan.incomplete.values() for part in missing]
        problems.append(f"{len(parts)} missing: {', '.join(parts)}")
    if problems:
        raise CheckpointError(f"the tensors are not a {name}'s; " + "; ".join(problems), where=str(directory))
