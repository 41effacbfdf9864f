import pytest
import torch

from erya.nn.layout import layout_of
from erya.nn.shapes import rounded_up


@pytest.mark.parametrize("round_shapes", [False, True])
@pytest.mark.parametrize("lengths", [(5,), (7, 7, 7), (1, 9, 3, 9, 2, 8), (40, 1, 39, 20, 21, 5, 40)])
def test_every_token_has_one_cell_and_comes_back_to_its_place(packed_of, lengths, round_shapes):
    batch = packed_of(*lengths)
    layout = layout_of(batch, round_shapes=round_shapes)
    tokens = torch.arange(sum(lengths))
    cells = torch.cat([tokens if group.rows is None else tokens[group.rows] for group in layout.groups])
    back = cells if layout.places is None else cells[layout.places]
    assert len(back) == layout.num_rows
    assert torch.equal(back[: len(tokens)], tokens)
    real = sum(
        group.num_sequences * group.length - (0 if group.padding is None else int(group.padding.sum()))
        for group in layout.groups
    )
    assert real == sum(lengths)


def test_equal_lengths_need_no_rearrangement(packed_of):
    layout = layout_of(packed_of(6, 6, 6))
    assert layout.places is None
    assert [group.rows for group in layout.groups] == [None]


def test_padding_repeats_a_row_of_its_own_sequence_and_is_hidden_from_keys(packed_of):
    layout = layout_of(packed_of(4, 3))
    (group,) = layout.groups
    assert group.rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 6]
    assert group.padding.view(2, 4).tolist() == [[False] * 4, [False, False, False, True]]
    assert group.key_bias[1, 0].tolist() == [0.0, 0.0, 0.0, float("-inf")]


def test_rectangles_waste_little(packed_of):
    lengths = tuple(range(1, 257, 3))
    layout = layout_of(packed_of(*lengths))
    cells = sum(group.num_sequences * group.length for group in layout.groups)
    assert cells < 1.25 * sum(lengths)


def test_rounded_batches_share_shapes(packed_of):
    layouts = [
        layout_of(packed_of(*(n % 50 + 1 for n in range(s, s + 90))), round_shapes=True) for s in range(25)
    ]
    assert len({layout.num_rows for layout in layouts}) < 10
    assert len({group.length for layout in layouts for group in layout.groups}) <= 7
    assert all(layout.num_rows < 1.07 * int(layout.bounds[-1]) for layout in layouts)


def test_a_rectangle_of_round_shapes_stays_as_it_is(packed_of):
    assert layout_of(packed_of(32, 32, 32, 32), round_shapes=True).places is None


@pytest.mark.parametrize("size", [1, 7, 8, 9, 127, 128, 129, 1000, 4095, 4097])
def test_the_ladder_rises_by_little(size):
    up = rounded_up(size, steps_per_octave=16)
    assert size <= up < size + max(8, size / 16)
    assert rounded_up(up, steps_per_octave=16) == up
