"""Other dropout than a model came with."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from erya.models.encoder import Encoder
from erya.nn.attention import SelfAttention
from erya.nn.dropout import Dropout


def set_dropout(encoder: Encoder, *, hidden: float | None, attention: float | None) -> None:
    """Use other probabilities in an encoder that is in memory; its configuration, and so what is saved of it,
    keeps its own.

    Args:
        hidden: after the embeddings and the parts of each block; None leaves it.
        attention: of attention probabilities; None leaves it.
    """
    for layer in encoder.modules():
        if isinstance(layer, Dropout) and hidden is not None:
            layer.prob = hidden
        if isinstance(layer, SelfAttention) and attention is not None:
            layer.dropout_prob = attention


def has_dropout(modules: Iterator[nn.Module]) -> bool:
    """Whether any of these layers drops something in training."""
    return any(
        (isinstance(layer, Dropout) and layer.prob > 0)
        or (isinstance(layer, SelfAttention) and layer.dropout_prob > 0)
        for layer in modules
    )
