"""Blocks compiled by `torch.compile`, for few enough shapes that compiling ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from erya.models.encoder import Encoder
from erya.nn.block import PostNormBlock

# Rounded shapes have at most 16 rungs an octave; the numbers of tokens, and those of chosen tokens, of a
# training run span a few octaves. Torch's own limit of 8 would leave most batches uncompiled.
_MOST_SHAPES = 128


def compile_blocks(encoder: Encoder, *, backend: str | Callable[..., Any] = "inductor") -> None:
    """Compile what follows attention in each block, in place; parameters and their names stay as they are.

    Attention, whose shapes are the sequences', keeps its own kernels. Blocks that are alike share what is
    compiled. Dropout on a CPU draws its bits outside of torch, so there a block with dropout is broken into
    pieces, which is no gain.

    Args:
        encoder: its batches are rounded up to few shapes from now on, whatever the device.
        backend: of `torch.compile`.
    """
    encoder.round_shapes = True
    config: Any = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, _MOST_SHAPES)
    for block in encoder.blocks:
        assert isinstance(block, PostNormBlock), "a block is one of erya.nn.block"
        compiled = torch.compile(block.after_attention, dynamic=False, backend=backend)
        block.after_attention = compiled  # type: ignore[method-assign]
