"""Longer sequences than an encoder was trained on.

Distances beyond the largest count as that one already, so relative and disentangled positions only need a new
limit. Absolute positions get a longer table, rotary ones slower angles.

n old positions, m new ones, H width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.positions import Rotary

Method = Literal["hierarchical", "interpolate"]
POSITIONS = "embeddings.positions.weight"
# How much of a position is said by the coarse of its two halves. Any value below one half tells them apart;
# this is the one its author uses.
_COARSE_SHARE = 0.4


def lengthen(encoder: Encoder, max_positions: int, *, method: Method = "hierarchical") -> Encoder:
    """The same encoder for sequences of up to `max_positions` tokens.

    Args:
        encoder: stays as it is.
        max_positions: m, more than the encoder has.
        method: how a table of absolute positions grows; other kinds of positions have one way each.
            `hierarchical` keeps the old positions as they are, `interpolate` squeezes the new ones between
            them, which wants further training.
    Returns:
        A new encoder on the CPU, in the old one's mode (training or evaluation) and number format, with its
        attention kernel.
    Raises:
        ValueError: it is not longer, or longer than the square of the old length; no such method.
    """
    if method not in _GROW:
        raise ValueError(f"there is no method {method!r}; there are: {', '.join(_GROW)}")
    config = lengthened(encoder.config, max_positions)
    first = encoder.embeddings.first_position
    tensors = {name: tensor.detach().cpu() for name, tensor in encoder.state_dict().items()}
    if POSITIONS in tensors:
        kept, table = tensors[POSITIONS][:first], tensors[POSITIONS][first:]
        tensors[POSITIONS] = torch.cat([kept, _GROW[method](table, max_positions)])
    longer = Encoder(config, pooler=encoder.pooler is not None, attention_backend=encoder.attention_backend)
    longer.to(encoder.embeddings.words.weight.dtype).load_state_dict(tensors)
    return longer.train(encoder.training)


def lengthened(config: EncoderConfig, max_positions: int) -> EncoderConfig:
    """The configuration of an encoder for longer sequences.

    Rotary angles turn more slowly, so that the slowest pair reaches as far over the new length as it did over
    the old one while the quickest, which tells neighbours apart, stays as it is. In blocks with a window no
    distance is new, so their angles stay.

    Raises:
        ValueError: `max_positions` is not more than the encoder has.
    Source: bloc97 2023, NTK-Aware Scaled RoPE; Peng et al. 2024, YaRN, section 3.1.
    """
    if max_positions <= config.max_positions:
        raise ValueError(
            f"the encoder takes {config.max_positions} tokens already; {max_positions} is no more"
        )
    changes: dict[str, object] = {"max_positions": max_positions}
    positions = config.positions
    if isinstance(positions, Rotary):
        size = config.hidden_size // config.num_heads
        # One pair alone turns by 1 a position, whatever the base.
        power = size / (size - 2) if size > 2 else 0.0
        base = positions.base * (max_positions / config.max_positions) ** power
        local = positions.local_base or (positions.base if config.window is not None else None)
        changes["positions"] = positions.model_copy(update={"base": base, "local_base": local})
    return config.model_copy(update=changes)


def grow_hierarchically(table: Tensor, rows: int) -> Tensor:
    """Write a position as (i, j), j below n, and mix the vectors of i and j; the first n rows stay.

    Args:
        table: shape (n, H), n at least 2.
        rows: m, at most n * n.
    Returns:
        Shape (m, H).
    Raises:
        ValueError: m is more than n * n.
    Source: Su 2020, 层次分解位置编码，让BERT可以处理超长文本 (kexue.fm/archives/7947).
    """
    if rows > len(table) ** 2:
        raise ValueError(f"{len(table)} positions grow to {len(table) ** 2} at most, not to {rows}")
    share = _COARSE_SHARE
    parts = (table - share * table[0]) / (1 - share)
    place = torch.arange(rows, device=table.device)
    grown = share * parts[place // len(table)] + (1 - share) * parts[place % len(table)]
    grown[: len(table)] = table[:rows]  # to the last bit
    return grown


def interpolate(table: Tensor, rows: int) -> Tensor:
    """Lay the rows of a table out over more of them, linearly; the first and the last stay.

    Args:
        table: shape (n, H).
        rows: m.
    Returns:
        Shape (m, H).
    """
    laid = functional.interpolate(table.float().mT[None], size=rows, mode="linear", align_corners=True)
    return laid[0].mT.to(table.dtype).contiguous()


_GROW: Mapping[str, Callable[[Tensor, int], Tensor]] = {
    "hierarchical": grow_hierarchically,
    "interpolate": interpolate,
}
