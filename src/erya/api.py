"""Erya from Python: what the commands do, as functions. Imports torch only when something is opened."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from erya.errors import CheckpointError
from erya.runtime import require

if TYPE_CHECKING:
    from torch.nn import Module

    from erya.models.encoder import Encoder
    from erya.tasks.classify.predict import Predictor
    from erya.tokenizer.any_tokenizer import AnyTokenizer

Model = TypeVar("Model", bound="Module")

# What a directory is whose head predicts no labels of texts.
_KINDS = {
    None: "an encoder without a task head",
    "masked_lm": "a masked language model",
    "tag": "a classifier of tokens",
    "answer": "a model that finds answers",
    "next_sentence": "a model of pairs of sentences",
    "replaced_token": "a discriminator of replaced tokens",
}


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
    """Open a fine-tuned model for prediction: `erya.load(directory).predict(texts)`.

    Args:
        directory: a model directory with a task head, ours or any Hugging Face sequence classifier's.
    Raises:
        CheckpointError: the directory is not a model, or its task is not one that predicts labels.
    """
    require("torch")
    from erya.checkpoints.configuration import read_configuration
    from erya.tasks.classify.predict import Predictor

    path = Path(directory)
    _, foreign, info = read_configuration(path)
    if info.task == "classify":
        return Predictor.open(path)
    kind = _KINDS[info.task]
    raise CheckpointError(
        "; ".join([f"this is {kind}, it predicts no labels", *foreign.notes]),
        where=str(path),
        hint="fine-tune it first: erya finetune classify --model DIR --train FILE --dev FILE --out DIR",
    )


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
