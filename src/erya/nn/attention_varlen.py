"""Attention by CUDA's variable-length flash kernel: no rectangle, no padding, no probabilities in memory.

Source: Dao 2023, FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from erya.nn.layout import Layout
from erya.nn.prefixes import Parts


def attend(
    qkv: Tensor, layout: Layout, *, num_heads: int, dropout_prob: float, window: int | None = None
) -> Tensor:
    """Attend within each sequence; the kernel has no dropout, so `dropout_prob` must be 0.

    Args:
        qkv: half-precision queries, keys and values side by side on a CUDA device, shape (N, 3 * H); rows
            beyond the last sequence are idle, and come out finite.
        layout: where the sequences are, without gaps if there is a window; its groups are not used.
        num_heads: a divisor of H.
        dropout_prob: 0; `erya.nn.attention` picks another backend for anything else.
        window: tokens a token sees to either side; None: all.
    Returns:
        Shape (N, H).
    """
    from torch.nn.attention.varlen import varlen_attn

    assert dropout_prob == 0.0, "the variable-length kernel has no dropout"
    sides = (-1, -1) if window is None else (window, window)
    split = qkv.view(len(qkv), 3, num_heads, -1)
    if layout.parts is not None:
        out = _by_parts(split, layout.parts, sides)
    else:
        query, key, value = split[: layout.num_tokens].unbind(1)
        bounds, longest = layout.bounds, layout.max_length
        whole = varlen_attn(query, key, value, bounds, bounds, longest, longest, window_size=sides)
        assert isinstance(whole, Tensor)
        # The kernel writes nothing to rows beyond the last sequence.
        idle = len(qkv) - layout.num_tokens
        out = functional.pad(whole, (0, 0, 0, 0, 0, idle)) if idle else whole
    return out.reshape(len(qkv), -1)


def _by_parts(qkv: Tensor, parts: Parts, sides: tuple[int, int]) -> Tensor:
    """From (N, 3, A, D) to (N, A, D)."""
    from torch.nn.attention.varlen import varlen_attn

    outs = []
    for part in parts.parts:
        query = qkv[:, 0] if part.query_rows is None else qkv[:, 0].index_select(0, part.query_rows)
        pairs = qkv[:, 1:] if part.key_rows is None else qkv[:, 1:].index_select(0, part.key_rows)
        out = varlen_attn(
            query,
            pairs[:, 0],
            pairs[:, 1],
            part.query_bounds,
            part.key_bounds,
            part.longest_query,
            part.longest_key,
            # No key to the right: the kernel lines up the last query with the last key.
            window_size=(sides[0], 0) if part.causal else sides,
        )
        assert isinstance(out, Tensor)
        outs.append(out)
    joined = outs[0] if len(outs) == 1 else torch.cat(outs)
    return joined if parts.places is None else joined.index_select(0, parts.places)
