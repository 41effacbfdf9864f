"""Attention to neighbours: in chunks, with masks, with gaps; and which kernel is asked."""

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from erya.nn import attention
from erya.nn.attention import BACKENDS, Demand, attend
from erya.nn.layout import layout_of
from erya.nn.packing import PackedTensors

LENGTHS = (40, 1, 39, 7, 23, 40, 8)


def by_definition(qkv, lengths, num_heads, window):
    outs = []
    for part in qkv.split(lengths):
        query, key, value = part.view(len(part), 3, num_heads, -1).permute(1, 2, 0, 3)
        places = torch.arange(len(part))
        near = (places[:, None] - places[None]).abs() <= window
        out = scaled_dot_product_attention(query, key, value, attn_mask=near)
        outs.append(out.transpose(0, 1).reshape(len(part), -1))
    return torch.cat(outs)


@pytest.mark.parametrize("backend", ["window", "matmul", "general"])
@pytest.mark.parametrize("window", [1, 3, 8, 13, 38])
# In the last a query of the shorter one's padding sees padding alone.
@pytest.mark.parametrize("lengths", [LENGTHS, (40, 40), (40, 31)])
def test_equals_masked_attention_with_its_gradient(packed_of, backend, window, lengths):
    torch.manual_seed(0)
    ours = torch.randn(sum(lengths), 3 * 24, dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    weights = torch.randn(sum(lengths), 24, dtype=torch.float64)
    out = attend(ours, layout_of(packed_of(*lengths)), Demand(3, window=window), backend=backend)
    expected = by_definition(theirs, lengths, 3, window)
    torch.testing.assert_close(out, expected)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def test_long_sequences_are_cut_and_a_window_over_everything_is_none(packed_of, monkeypatch):
    seen = []
    for name, backend in BACKENDS.items():
        spy = type(backend)(
            lambda *_, name=name: seen.append(name),
            dropout=backend.dropout,
            relative=backend.relative,
            window=backend.window,
            gaps=backend.gaps,
            devices=backend.devices,
        )
        monkeypatch.setitem(attention.BACKENDS, name, spy)
    layout = layout_of(packed_of(5, 9))
    qkv = torch.randn(14, 12)
    for window in (8, 7, 1):
        attend(qkv, layout, Demand(1, window=window))
    assert seen == ["matmul", "matmul", "window"]


def test_positions_with_gaps_count_as_they_are():
    """Tokens at 0, 1, 9 and 10: a window of two does not reach over the gap."""
    ids = torch.zeros(1, 11, dtype=torch.int64)
    mask = torch.zeros(1, 11, dtype=torch.bool)
    mask[0, [0, 1, 9, 10]] = True
    batch = PackedTensors.from_padded(ids, mask, ids)
    assert batch.has_gaps
    qkv = torch.randn(4, 12, dtype=torch.float64)
    out = attend(qkv, layout_of(batch), Demand(1, window=2))
    torch.testing.assert_close(out, by_definition(qkv, (2, 2), 1, 2))
    with pytest.raises(ValueError, match="gaps"):
        attend(qkv, layout_of(batch), Demand(1, window=2), backend="window")


@pytest.mark.parametrize(
    ("backend", "demand", "reason"),
    [
        ("window", Demand(1), "for attention with a window"),
        ("matmul", Demand(1, relative=object()), "no relative positions"),
    ],
)
def test_kernels_say_what_they_cannot_do(packed_of, backend, demand, reason):
    with pytest.raises(ValueError, match=reason):
        attend(torch.randn(9, 12), layout_of(packed_of(9)), demand, backend=backend)


def test_memory_grows_with_the_length_not_with_its_square(packed_of):
    """The largest tensor of the chunked kernel, as torch sees it, doubles with the length."""
    largest = []
    for length in (512, 1024):
        with Sizes() as sizes:
            attend(torch.randn(length, 48), layout_of(packed_of(length)), Demand(2, window=16))
        largest.append(sizes.largest)
    assert largest[1] == 2 * largest[0]


class Sizes(TorchDispatchMode):
    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.largest = max(self.largest, out.numel())
        return out
