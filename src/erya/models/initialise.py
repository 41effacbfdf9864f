"""Fresh weights."""

from __future__ import annotations

import torch
from torch import nn


def initialise(module: nn.Module, *, initializer_range: float, generator: torch.Generator) -> None:
    """Fill every linear, convolution and embedding layer with normal noise, norms with 1 and biases with 0.

    Args:
        module: the layers, in place.
        initializer_range: standard deviation of the noise.
        generator: where the noise comes from.
    Source: Devlin et al. 2019, BERT, appendix A.2 and its reference implementation.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Embedding):
            nn.init.normal_(layer.weight, std=initializer_range, generator=generator)
        if isinstance(layer, nn.LayerNorm):
            nn.init.ones_(layer.weight)
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.LayerNorm) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
