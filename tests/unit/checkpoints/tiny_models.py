"""Tiny modules and a tiny vocabulary for the tests of model directories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from erya.models.encoder import Encoder
from erya.models.initialise import initialise

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "这",
    "家",
    "酒",
    "店",
    "很",
    "好",
    "差",
    "a",
    "##b",
    "。",
]
WriteModel = Callable[..., Path]


class Classifier(nn.Module):
    """The shape of a sequence classifier: an encoder and a linear layer."""

    def __init__(self, encoder: Encoder, num_labels: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Linear(encoder.config.hidden_size, num_labels)


def randomise(module: nn.Module) -> nn.Module:
    """Give every parameter a value no default has, biases and norms included."""
    generator = torch.Generator().manual_seed(3)
    initialise(module, initializer_range=0.5, generator=generator)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return module.eval()
