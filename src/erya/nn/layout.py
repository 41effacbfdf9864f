"""How the sequences of a packed batch are laid out for attention: groups of similar length.

Attention is the one part of an encoder that mixes tokens, so it needs sequences as rows of a rectangle.
Sequences of similar length share one, padded to its longest; only attention ever sees that padding.

N tokens, S sequences, G sequences of a group, L its longest length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from erya.nn.packing import PackedTensors
from erya.nn.prefixes import Parts, parts_of, unseen_by
from erya.nn.shapes import rounded_up
from erya.nn.transfer import to_device

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
        has_gaps: whether neighbouring cells can be more than one position apart.
        prefixes: first tokens that all see, int64, shape (G,); None where all tokens see all.
        unseen: True where a key is hidden from a query by them, shape (G, L, L); never a query's own.
    """

    num_sequences: int
    length: int
    rows: Tensor | None
    padding: Tensor | None
    key_bias: Tensor | None
    positions: Tensor | None = None
    has_gaps: bool = False
    prefixes: Tensor | None = None
    unseen: Tensor | None = None

    def distances(self, device: torch.device) -> Tensor:
        """How far each key is behind each query, int64, shape (1, L, L), or (G, L, L) with `positions`."""
        places = torch.arange(self.length, device=device)[None] if self.positions is None else self.positions
        return places[:, :, None] - places[:, None, :]

    def beyond(self, window: int, device: torch.device) -> Tensor:
        """True where a key lies beyond the window of a query, shape (1, L, L), or (G, L, L).

        Never where the query is padding: one that sees nothing at all would make gradients NaN.
        """
        places = self.positions if self.has_gaps else None
        places = torch.arange(self.length, device=device)[None] if places is None else places
        far = (places[:, :, None] - places[:, None, :]).abs() > window
        return far if self.padding is None else far & ~self.padding.view(self.num_sequences, -1, 1)

    def pair_bias(self, window: int | None, *, like: Tensor) -> Tensor | None:
        """0 where a query sees a key, -inf beyond its window and where prefixes hide it.

        Adding it to scores is several times quicker than filling them where a mask says.

        Returns:
            Shape (1, 1, L, L) or (G, 1, L, L), in the number format and on the device of `like`; None where
            there is neither a window nor a prefix.
        """
        hidden = self.unseen
        if window is not None:
            far = self.beyond(window, like.device)
            hidden = far if hidden is None else far | hidden
        if hidden is None:
            return None
        bias = torch.zeros(hidden.shape, dtype=like.dtype, device=like.device)
        return bias.masked_fill_(hidden, float("-inf"))[:, None]


@dataclass(frozen=True, slots=True)
class Layout:
    """The groups of a batch; made once a batch, used by every block.

    Attributes:
        groups: the rectangles; together they hold every token once.
        places: cell of each row in the rectangles laid end to end, int64, shape (num_rows,); None when that
            is the packed order already.
        num_tokens: N.
        num_rows: rows that blocks compute: N, or more with rounded shapes; rows from N on are idle.
        bounds: sequence bounds, int32, shape (S + 1,).
        max_length: tokens of the longest sequence.
        positions: of each row, int64, shape (num_rows,); 0 at idle rows.
        order: number of the sequence in each place of the groups laid end to end.
        has_gaps: whether some sequence's positions do not count 0, 1, 2, ... in either direction.
        parts: the same in calls for a kernel that knows no prefixes; None where all tokens see all.
        distances: embeddings of distances, shape (R, H), for blocks that use them.
    """

    groups: tuple[Group, ...]
    places: Tensor | None
    num_tokens: int
    num_rows: int
    bounds: Tensor
    max_length: int
    positions: Tensor
    order: tuple[int, ...]
    has_gaps: bool
    parts: Parts | None = None
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
        plain = _Plan(len(lengths), lengths[0], None, None, _prefixes(batch, range(len(lengths))))
        return _layout(batch, [plain], None, num_rows, range(len(lengths)))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    places = np.zeros(num_rows, dtype=np.int64)  # idle rows repeat the first cell
    plans, cells, order = [], 0, []
    for members in _similar(lengths):
        own = np.asarray(lengths)[members]
        length = _length_of(own, round_shapes=round_shapes)
        plan = _plan(starts[members], own, length, _prefixes(batch, members))
        assert plan.rows is not None, "only the packed run itself has no rows"
        real = slice(None) if plan.padding is None else ~plan.padding.reshape(-1)
        places[plan.rows[real]] = cells + np.arange(len(plan.rows))[real]
        cells += len(plan.rows)
        plans.append(plan)
        order += members
    return _layout(batch, plans, places, num_rows, order)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a group will be; see there."""

    num_sequences: int
    length: int
    rows: np.ndarray | None
    padding: np.ndarray | None  # (G, L)
    prefixes: np.ndarray | None

    @property
    def arrays(self) -> list[np.ndarray]:
        return [array for array in (self.rows, self.padding, self.prefixes) if array is not None]


def _layout(
    batch: PackedTensors,
    plans: Sequence[_Plan],
    places: np.ndarray | None,
    num_rows: int,
    order: Sequence[int],
) -> Layout:
    device = batch.ids.device
    arrays = [*([] if places is None else [places]), *(array for plan in plans for array in plan.arrays)]
    tensors = iter(to_device(arrays, device))
    places_tensor = None if places is None else next(tensors)
    groups = tuple(_group(batch, plan, tensors) for plan in plans)
    prefixes = batch.prefixes
    return Layout(
        groups,
        places_tensor,
        len(batch.ids),
        num_rows,
        batch.bounds,
        batch.max_length,
        functional.pad(batch.positions, (0, num_rows - len(batch.positions))),
        tuple(order),
        batch.has_gaps,
        None if prefixes is None else parts_of(prefixes, batch.lengths, num_rows=num_rows, device=device),
    )


def _group(batch: PackedTensors, plan: _Plan, tensors: Iterator[Tensor]) -> Group:
    """The group of a plan, whose arrays are the next of the tensors."""
    rows = None if plan.rows is None else next(tensors)
    padding = None if plan.padding is None else next(tensors)
    prefixes = None if plan.prefixes is None else next(tensors)
    positions = None
    if batch.has_gaps or batch.has_reversed:
        cells = batch.positions if rows is None else batch.positions[rows]
        positions = cells.view(plan.num_sequences, plan.length)
    bias = None
    if padding is not None:
        bias = torch.zeros(padding.shape, device=padding.device).masked_fill_(padding, float("-inf"))
    return Group(
        plan.num_sequences,
        plan.length,
        rows,
        None if padding is None else padding.view(-1, 1),
        None if bias is None else bias.unsqueeze(1),
        positions,
        batch.has_gaps,
        prefixes,
        None if prefixes is None else unseen_by(prefixes, plan.length),
    )


def _prefixes(batch: PackedTensors, members: Sequence[int]) -> np.ndarray | None:
    """Prefixes of some sequences; None where all their tokens see all."""
    if batch.prefixes is None:
        return None
    found = np.array([batch.prefixes[s] for s in members])
    return None if np.array_equal(found, [batch.lengths[s] for s in members]) else found


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


def _plan(starts: np.ndarray, lengths: np.ndarray, length: int, prefixes: np.ndarray | None) -> _Plan:
    """The rectangle of sequences of these lengths that begin at these rows."""
    columns = np.arange(length)
    rows = (starts[:, None] + np.minimum(columns, lengths[:, None] - 1)).reshape(-1)
    padding = None if int(lengths.min()) == length else columns[None, :] >= lengths[:, None]
    return _Plan(len(lengths), length, rows, padding, prefixes)
