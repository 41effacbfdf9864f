"""Erya from Python: what the commands do, as functions. Imports torch only when something is opened."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from erya.runtime import require

if TYPE_CHECKING:
    from torch.nn import Module

    from erya.models.encoder import Encoder
    from erya.tasks.predictor import Predictor
    from erya.tokenizer.any_tokenizer import AnyTokenizer

Model = TypeVar("Model", bound="Module")


def open_tokenizer(directory: str | PathLike[str]) -> AnyTokenizer:
    """Open the tokenizer of a model or tokenizer directory. Needs no torch.

    Raises:
        EryaError: the directory holds no tokenizer Erya can read.
    """
    from erya.tokenizer import opening

    return opening.open_tokenizer(Path(directory))


def open_encoder(directory: str | PathLike[str], *, max_positions: int | None = None) -> Encoder:
    """Open the packed encoder of a model directory, ours or Hugging Face's of any family, for inference.

    A directory without a pooler (a masked language model's) gives an encoder without one: nothing is made
    up, and a warning says so.

    Args:
        directory: the model directory.
        max_positions: the longest sequence it shall take, in tokens; more than it was trained on lengthens
            its positions (`erya.models.lengthen`). None: what it was trained on.
    Returns:
        The encoder in evaluation mode; `encoder.padded(...)` is shaped as `transformers` shapes it.
    Raises:
        CheckpointError: the directory is not a model Erya can open; the message says why.
        ValueError: its positions cannot be made so many.
    """
    require("torch")
    from erya.checkpoints.directory import load_encoder, read_model
    from erya.checkpoints.loading import log_notice

    model = read_model(Path(directory))
    if not model.has_pooler:
        log_notice(str(model.path), "no pooler in this directory: the encoder gives hidden states only")
    encoder = load_encoder(model, pooler=model.has_pooler).eval()
    if max_positions is None or max_positions <= encoder.config.max_positions:
        return encoder
    from erya.models.lengthen import lengthen

    return lengthen(encoder, max_positions)


def load(directory: str | PathLike[str]) -> Predictor:
    """Open a model for prediction: `erya.load(directory).predict(texts)`.

    Args:
        directory: a model directory with the head of a task or of a masked language model, which fills the
            `[MASK]` of texts, ours or Hugging Face's; or the name of a model that comes with Erya.
    Raises:
        CheckpointError: the directory is not a model, or has no such head.
    """
    require("torch")
    from erya.tasks.predictor import Predictor

    return Predictor.open(Path(directory))


def accelerate(model: Model) -> Model:
    """Let the encoder inside a loaded `transformers` model compute without padding.

    The model keeps its parameters, their names and what it is saved as; `Trainer` and pipelines go on as they
    were, faster where texts differ in length. Call it before the model is wrapped or compiled.

    Args:
        model: of any task; its encoder's family is one Erya has. It is changed in place.
    Returns:
        The same object.
    Raises:
        CheckpointError: it is no such model, or has options Erya does not have; it is left as it was.
    """
    require("torch")
    from erya.checkpoints import accelerate as packed

    return packed.accelerate(model)


def restore(model: Model) -> Model:
    """Undo `accelerate`: the model computes by its own code again, with the parameters it has by now."""
    require("torch")
    from erya.checkpoints import accelerate as packed

    return packed.restore(model)
