"""How the sequences of a packed batch are laid out for attention: groups of similar length.

Attention is the one part of an encoder that mixes tokens, so it needs sequences as rows of a rectangle.
Sequences of similar length share one, padded to its longest; only attention ever sees that padding.

N tokens, S sequences, G sequences of a group, L its longest length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from erya.nn.packing import PackedTensors
from erya.nn.shapes import rounded_up

# A group is closed when the next sequence would leave more of its rectangle row empty than this. Attention
# is a small part of the work at these lengths, so a little waste costs less than another group's calls.
_SHORTEST_SHARE = 0.75


@dataclass(frozen=True, slots=True)
class Group:
    """Sequences that share one rectangle.

    Attributes:
        num_sequences: G.
        length: L.
        rows: packed row of each cell of the rectangle, int64, shape (G * L,); padding repeats a row of its
            own sequence. None when the rectangle is the packed run itself.
        padding: True at cells that are padding, shape (G * L, 1); None without padding.
        key_bias: 0 at tokens, -inf at padding, float32, shape (G, 1, L); None without padding.
    """

    num_sequences: int
    length: int
    rows: Tensor | None
    padding: Tensor | None
    key_bias: Tensor | None


@dataclass(frozen=True, slots=True)
class Layout:
    """The groups of a batch; made once a batch, used by every block.

    Attributes:
        groups: the rectangles; together they hold every token once.
        places: cell of each row in the rectangles laid end to end, int64, shape (num_rows,); None when that
            is the packed order already.
        num_rows: rows that blocks compute: N, or more with rounded shapes; rows from N on are idle.
        bounds: sequence bounds, int32, shape (S + 1,).
        max_length: tokens of the longest sequence.
    """

    groups: tuple[Group, ...]
    places: Tensor | None
    num_rows: int
    bounds: Tensor
    max_length: int


def layout_of(batch: PackedTensors, *, round_shapes: bool = False) -> Layout:
    """Group the sequences of `batch` by length.

    Args:
        batch: the packed sequences.
        round_shapes: whether to round the number of rows and the lengths of rectangles up, so that batches
            share shapes; see `erya.nn.shapes`.
    """
    lengths, device, num_tokens = batch.lengths, batch.ids.device, sum(batch.lengths)
    num_rows = rounded_up(num_tokens, steps_per_octave=16) if round_shapes else num_tokens
    is_rectangle = len(set(lengths)) == 1 and num_rows == num_tokens
    if is_rectangle and _length_of(lengths, round_shapes=round_shapes) == lengths[0]:
        groups = (Group(len(lengths), lengths[0], None, None, None),)
        return Layout(groups, None, num_rows, batch.bounds, batch.max_length)
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    places = np.zeros(num_rows, dtype=np.int64)  # idle rows repeat the first cell
    built, cells = [], 0
    for members in _similar(lengths):
        own = np.asarray(lengths)[members]
        length = _length_of(own, round_shapes=round_shapes)
        group, rows = _rectangle(starts[members], own, length, device)
        real = slice(None) if group.padding is None else ~group.padding.view(-1).cpu().numpy()
        places[rows[real]] = cells + np.arange(len(rows))[real]
        cells += len(rows)
        built.append(group)
    return Layout(tuple(built), torch.from_numpy(places).to(device), num_rows, batch.bounds, batch.max_length)


def _length_of(lengths: Sequence[int] | np.ndarray, *, round_shapes: bool) -> int:
    """How long a rectangle for sequences of these lengths is."""
    longest = int(max(lengths))
    return rounded_up(longest, steps_per_octave=8) if round_shapes else longest


def _similar(lengths: Sequence[int]) -> list[list[int]]:
    """Sequence numbers grouped by similar length, longest first."""
    order = sorted(range(len(lengths)), key=lambda s: -lengths[s])
    groups = [[order[0]]]
    for s in order[1:]:
        if lengths[s] >= _SHORTEST_SHARE * lengths[groups[-1][0]]:
            groups[-1].append(s)
        else:
            groups.append([s])
    return groups


def _rectangle(
    starts: np.ndarray, lengths: np.ndarray, length: int, device: torch.device
) -> tuple[Group, np.ndarray]:
    """The rectangle of some sequences, and its rows as a numpy array."""
    columns = np.arange(length)
    rows = (starts[:, None] + np.minimum(columns, lengths[:, None] - 1)).reshape(-1)
    rows_tensor = torch.from_numpy(rows).to(device)
    if int(lengths.min()) == length:
        return Group(len(lengths), length, rows_tensor, None, None), rows
    padding = torch.from_numpy(columns[None, :] >= lengths[:, None]).to(device)
    bias = torch.zeros(padding.shape, device=device).masked_fill_(padding, float("-inf"))
    return Group(len(lengths), length, rows_tensor, padding.view(-1, 1), bias.unsqueeze(1)), rows
