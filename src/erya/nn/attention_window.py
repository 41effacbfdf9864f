"""Attention to neighbours alone, in chunks: time and memory grow with the length, not with its square.

A sequence is cut into chunks as long as the window; a chunk's queries meet its own keys and those of a window
to either side.

N tokens, H width, G sequences of a group, A heads, L longest length, C chunks, W window, D width of a head.
Source: Beltagy et al. 2020, Longformer, section 3.1 and appendix A.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from erya.nn.attention_general import heads_of, in_packed_order
from erya.nn.dropout import drop_probs
from erya.nn.layout import Group, Layout


def attend(qkv: Tensor, layout: Layout, *, num_heads: int, dropout_prob: float, window: int) -> Tensor:
    """Attend to at most `window` tokens to either side within each sequence.

    Args:
        qkv: queries, keys and values side by side, shape (N, 3 * H).
        layout: where the sequences are; they have no gaps.
        num_heads: A, a divisor of H.
        dropout_prob: of the probabilities, in [0, 1).
        window: W.
    Returns:
        Shape (N, H).
    """
    outs = []
    for group in layout.groups:
        query, key, value = heads_of(qkv, group, num_heads)
        out = _chunked(query, key, value, group, dropout_prob, window)
        outs.append(out.transpose(1, 2).reshape(group.num_sequences * group.length, -1))
    return in_packed_order(outs, layout)


def _chunked(
    query: Tensor, key: Tensor, value: Tensor, group: Group, dropout_prob: float, window: int
) -> Tensor:
    """Shape (G, A, L, D) in and out."""
    length = query.shape[2]
    chunks = -(-length // window)
    missing = chunks * window - length
    queries = functional.pad(query, (0, 0, 0, missing)).view(*query.shape[:2], chunks, window, -1)
    # (G, A, C, 3 * W, D): what each chunk may see, zeros beyond the ends.
    keys, values = (
        functional.pad(x, (0, 0, window, window + missing)).unfold(2, 3 * window, window).transpose(-1, -2)
        for x in (key, value)
    )
    scores = (queries * query.shape[-1] ** -0.5) @ keys.mT
    scores = scores.masked_fill(~_visible(group, chunks, window, query.device), float("-inf"))
    probs = drop_probs(torch.softmax(scores, dim=-1), dropout_prob)
    return (probs @ values).flatten(2, 3)[:, :, :length]


def _visible(group: Group, chunks: int, window: int, device: torch.device) -> Tensor:
    """Which keys a query may see, shape (G or 1, 1, C, W, 3 * W); all that there are where a query is none.

    One that sees nothing at all would make gradients NaN.
    """
    asking = torch.arange(chunks * window, device=device).view(chunks, window, 1)
    asked = torch.arange(-window, 2 * window, device=device) + window * torch.arange(
        chunks, device=device
    ).view(chunks, 1, 1)
    near = ((asking - asked).abs() <= window) & (asked >= 0) & (asked < group.length)
    near = near[None, None]
    if group.prefixes is not None:
        near = near & ((asked <= asking) | (asked < group.prefixes.view(-1, 1, 1, 1, 1)))
    near = near | (asking >= group.length)
    if group.padding is None:
        return near
    real = ~group.padding.view(group.num_sequences, group.length)
    keys = functional.pad(real, (window, (chunks + 1) * window - group.length))
    queries = functional.pad(real, (0, chunks * window - group.length)).view(-1, 1, chunks, window, 1)
    return (near & keys.unfold(1, 3 * window, window)[:, None, :, None]) | ~queries
