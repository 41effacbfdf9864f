import pytest
import torch

from erya.nn.layout import layout_of


@pytest.mark.parametrize("lengths", [(5,), (7, 7, 7), (1, 9, 3, 9, 2, 8), (40, 1, 39, 20, 21, 5, 40)])
def test_every_token_has_one_cell_and_comes_back_to_its_place(packed_of, lengths):
    batch = packed_of(*lengths)
    layout = layout_of(batch)
    tokens = torch.arange(sum(lengths))
    cells = torch.cat([tokens if group.rows is None else tokens[group.rows] for group in layout.groups])
    back = cells if layout.places is None else cells[layout.places]
    assert torch.equal(back, tokens)
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
