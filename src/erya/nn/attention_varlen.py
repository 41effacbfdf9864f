"""Attention by CUDA's variable-length flash kernel: no rectangle, no padding, no probabilities in memory.

Source: Dao 2023, FlashAttention-2: Faster Attention with Better Parallelism and Work Partitioning.
"""

from __future__ import annotations

from torch import Tensor

from erya.nn.layout import Layout


def attend(qkv: Tensor, layout: Layout, *, num_heads: int, dropout_prob: float) -> Tensor:
    """Attend within each sequence; the kernel has no dropout, so `dropout_prob` must be 0.

    Args:
        qkv: half-precision queries, keys and values side by side on a CUDA device, shape (N, 3 * H).
        layout: where the sequences are; only its bounds are used.
        num_heads: a divisor of H.
        dropout_prob: 0; `erya.nn.attention` picks another backend for anything else.
    Returns:
        Shape (N, H).
    """
    from torch.nn.attention.varlen import varlen_attn

    assert dropout_prob == 0.0, "the variable-length kernel has no dropout"
    query, key, value = qkv.view(len(qkv), 3, num_heads, -1).unbind(1)
    bounds, longest = layout.bounds, layout.max_length
    out = varlen_attn(query, key, value, bounds, bounds, longest, longest)
    assert isinstance(out, Tensor)
    return out.reshape(len(qkv), -1)
