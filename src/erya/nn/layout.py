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
from torch.nn import functional

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
        positions: of each cell, int64, shape (G, L); None where a sequence's tokens count 0, 1, 2, ...
    """

    num_sequences: int
    length: int
    rows: Tensor | None
    padding: Tensor | None
    key_bias: Tensor | None
    positions: Tensor | None = None

    def distances(self, device: torch.device) -> Tensor:
        """How far each key is behind each query, int64, shape (1, L, L), or (G, L, L) with `positions`."""
        places = torch.arange(self.length, device=device)[None] if self.positions is None else self.positions
        return places[:, :, None] - places[:, None, :]

    def beyond(self, window: int, device: torch.device) -> Tensor:
        """True where a key lies beyond the window of a query, shape (1, L, L), or (G, L, L).

        Never where the query is padding: one that sees nothing at all would make gradients NaN.
        """
        far = self.distances(device).abs() > window
        return far if self.padding is None else far & ~self.padding.view(self.num_sequences, -1, 1)


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
        positions: of each row, int64, shape (num_rows,); 0 at idle rows.
        order: number of the sequence in each place of the groups laid end to end.
        has_gaps: whether some sequence's positions do not count 0, 1, 2, ...
        distances: embeddings of distances, shape (R, H), for blocks that use them.
    """

    groups: tuple[Group, ...]
    places: Tensor | None
    num_rows: int
    bounds: Tensor
    max_length: int
    positions: Tensor
    order: tuple[int, ...]
    has_gaps: bool
    distances: Tensor | None = None


def layout_of(batch: PackedTensors, *, round_shapes: bool = False) -> Layout:
    """Group the sequences of `batch` by length.

    Args:
        batch: the packed sequences.
        round_shapes: whether to round the number of rows and the lengths of rectangles up, so that batches
            share shapes; see `erya.nn.shapes`.
    """
    lengths, num_tokens = batch.lengths, sum(batch.lengths)
    num_rows = rounded_up(num_tokens, steps_per_octave=16) if round_shapes else num_tokens
    is_rectangle = len(set(lengths)) == 1 and num_rows == num_tokens
    if is_rectangle and _length_of(lengths, round_shapes=round_shapes) == lengths[0]:
        rectangle = batch.positions.view(len(lengths), -1) if batch.has_gaps else None
        groups = (Group(len(lengths), lengths[0], None, None, None, rectangle),)
        return _layout(batch, groups, None, num_rows, range(len(lengths)))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    places = np.zeros(num_rows, dtype=np.int64)  # idle rows repeat the first cell
    built, cells, order = [], 0, []
    for members in _similar(lengths):
        own = np.asarray(lengths)[members]
        length = _length_of(own, round_shapes=round_shapes)
        group, rows = _rectangle(batch, starts[members], own, length)
        real = slice(None) if group.padding is None else ~group.padding.view(-1).cpu().numpy()
        places[rows[real]] = cells + np.arange(len(rows))[real]
        cells += len(rows)
        built.append(group)
        order += members
    return _layout(batch, built, torch.from_numpy(places).to(batch.ids.device), num_rows, order)


def _layout(
    batch: PackedTensors, groups: Sequence[Group], places: Tensor | None, num_rows: int, order: Sequence[int]
) -> Layout:
    positions = functional.pad(batch.positions, (0, num_rows - len(batch.positions)))
    return Layout(
        tuple(groups),
        places,
        num_rows,
        batch.bounds,
        batch.max_length,
        positions,
        tuple(order),
        batch.has_gaps,
    )


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
    batch: PackedTensors, starts: np.ndarray, lengths: np.ndarray, length: int
) -> tuple[Group, np.ndarray]:
    """The rectangle of some sequences, and its rows as a numpy array."""
    device, columns = batch.ids.device, np.arange(length)
    rows = (starts[:, None] + np.minimum(columns, lengths[:, None] - 1)).reshape(-1)
    rows_tensor = torch.from_numpy(rows).to(device)
    positions = batch.positions[rows_tensor].view(len(lengths), length) if batch.has_gaps else None
    if int(lengths.min()) == length:
        return Group(len(lengths), length, rows_tensor, None, None, positions), rows
    padding = torch.from_numpy(columns[None, :] >= lengths[:, None]).to(device)
    bias = torch.zeros(padding.shape, device=device).masked_fill_(padding, float("-inf"))
    group = Group(len(lengths), length, rows_tensor, padding.view(-1, 1), bias.unsqueeze(1), positions)
    return group, rows
