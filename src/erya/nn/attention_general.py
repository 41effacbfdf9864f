"""Attention that can do everything: relative positions, windows, handing out its probabilities.

Plain operations over groups of similar length, differentiated by torch. Slower than the kernels for plain
attention; sequences much longer than a window go through it in chunks (`erya.nn.attention_window`).

N tokens, H width, G sequences of a group, A heads, L longest length, D width of a head.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from erya.nn.dropout import drop_probs
from erya.nn.layout import Group, Layout
from erya.nn.relative import RelativeScores


def attend(
    qkv: Tensor,
    layout: Layout,
    *,
    num_heads: int,
    dropout_prob: float,
    relative: RelativeScores | None = None,
    window: int | None = None,
    keep_probs: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Attend within each sequence.

    Args:
        qkv: queries, keys and values side by side, shape (N, 3 * H).
        layout: where the sequences are.
        num_heads: A, a divisor of H.
        dropout_prob: of the probabilities, in [0, 1).
        relative: what distances add to scores and values.
        window: tokens a token sees to either side; None: all.
        keep_probs: whether to hand out the probabilities.
    Returns:
        Shape (N, H), and, if wanted, for each group the probabilities before dropout, shape (G, A, L, L).
    """
    outs, all_probs = [], []
    for group in layout.groups:
        query, key, value = heads_of(qkv, group, num_heads)
        probs = torch.softmax(_scores(query, key, group, relative, window), dim=-1)
        if keep_probs:
            all_probs.append(probs)
        kept = drop_probs(probs, dropout_prob)
        out = kept @ value
        if relative is not None:
            more = relative.values(kept, group.distances(qkv.device))
            out = out if more is None else out + more
        outs.append(out.transpose(1, 2).reshape(group.num_sequences * group.length, -1))
    return in_packed_order(outs, layout), all_probs


def heads_of(qkv: Tensor, group: Group, num_heads: int) -> Sequence[Tensor]:
    """Queries, keys and values of a group's rectangle, shape (G, A, L, D) each."""
    cells = qkv if group.rows is None else qkv.index_select(0, group.rows)
    split = cells.view(group.num_sequences, group.length, 3, num_heads, -1)
    return split.permute(2, 0, 3, 1, 4).unbind(0)


def in_packed_order(groups: Sequence[Tensor], layout: Layout) -> Tensor:
    """The rows of all groups' rectangles, shape (G * L, H) each, in the order of the packed run, (N, H)."""
    rows = groups[0] if len(groups) == 1 else torch.cat(list(groups))
    return rows if layout.places is None else rows.index_select(0, layout.places)


def _scores(
    query: Tensor, key: Tensor, group: Group, relative: RelativeScores | None, window: int | None
) -> Tensor:
    scale = query.shape[-1] ** -0.5 if relative is None else relative.scale(query.shape[-1])
    scores = (query * scale) @ key.mT
    # In place from here on: no gradient needs what the scores were before.
    if relative is not None:
        relative.add_scores(scores, query, key, group.distances(query.device))
    bias = group.pair_bias(window, like=scores)
    if bias is not None:
        scores += bias
    if group.key_bias is not None:
        scores += group.key_bias[:, None].to(scores.dtype)
    return scores
