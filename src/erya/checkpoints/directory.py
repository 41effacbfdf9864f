"""The model directory: the only hand-over between training and everything after it.

A Hugging Face directory (`config.json`, `model.safetensors`, `tokenizer.json`, `vocab.txt`) plus
`erya.json`. Any Hugging Face BERT directory opens too; what `erya.json` would say is then inferred.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from erya.checkpoints.configuration import read_configuration
from erya.checkpoints.huggingface import check_family
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.loading import POOLER, Reporter, load_tensors, log_report
from erya.checkpoints.names import ENCODER_PREFIX, NamePlan, plan_names
from erya.checkpoints.tensors import RenamedTensors, open_tensors
from erya.checkpoints.weights import find_weights
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
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
        notes: what a user should know about how it was opened, a sentence each.
    """

    path: Path
    info: ModelInfo
    encoder_config: EncoderConfig
    tensors: RenamedTensors
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
    """Open a model directory: ours or any Hugging Face BERT directory. Weights are not read yet.

    Raises:
        CheckpointError: a file is missing or damaged, an option is one Erya does not have, or tensors are
            left over; the message lists them.
    """
    data, foreign, info = read_configuration(directory)
    stored = open_tensors(find_weights(directory))
    notes = check_family(data, list(stored), directory)
    plan = plan_names(stored)
    _require_known(plan, directory)
    tensors = RenamedTensors(stored, plan)
    return ModelDirectory(directory, info, foreign.encoder, tensors, (*foreign.notes, *notes))


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
    model.tensors.require_tied(where=str(model.path))
    module = MaskedLanguageModel(Encoder(model.encoder_config, pooler=False))
    _load(module, model, "", allow_missing, seed, report)
    return module


def _load(
    module: Encoder | MaskedLanguageModel,
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


def _require_known(plan: NamePlan, directory: Path) -> None:
    problems = []
    if plan.unknown:
        problems.append(f"{len(plan.unknown)} that no BERT has: {', '.join(plan.unknown)}")
    if plan.incomplete:
        parts = [part for missing in plan.incomplete.values() for part in missing]
        problems.append(f"{len(parts)} missing: {', '.join(parts)}")
    if problems:
        raise CheckpointError("the tensors are not a BERT's; " + "; ".join(problems), where=str(directory))
