"""Sequences with prefixes against a dense definition: every kernel, every mixture of patterns."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.attention import varlen

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.nn.attention import BACKENDS, Demand, attend
from erya.nn.attention_general import attend as attend_keeping
from erya.nn.layout import layout_of
from erya.nn.packing import PackedTensors
from erya.nn.prefixes import parts_of, prefixes_of
from erya.nn.relative import SinusoidDistances

LENGTHS = [(9, 9, 9, 9), (9, 1, 8, 7, 20, 18, 2)]
PATTERNS = {
    "all": lambda lengths: lengths,
    "left to right": lambda lengths: [1] * len(lengths),
    "prefix": lambda lengths: [max(1, length // 2) for length in lengths],
    "mixed": lambda lengths: [(length, 1, length - 2, 3)[s % 4] for s, length in enumerate(lengths)],
}
KERNELS = ["matmul", "general", "varlen"]


def seen(length, prefix, window=None):
    """What each query sees, by the words of the definition, shape (L, L)."""
    sees = torch.zeros(length, length, dtype=torch.bool)
    for query in range(length):
        for key in range(length):
            near = window is None or abs(query - key) <= window
            sees[query, key] = near and (key < prefix or key <= query)
    return sees


def by_definition(qkv, lengths, prefixes, num_heads, window=None):
    outs = []
    for part, prefix in zip(qkv.split(lengths), prefixes, strict=True):
        query, key, value = part.view(len(part), 3, num_heads, -1).permute(1, 2, 0, 3)
        scores = query @ key.mT / query.shape[-1] ** 0.5
        probs = scores.masked_fill(~seen(len(part), prefix, window), float("-inf")).softmax(-1)
        outs.append((probs @ value).transpose(0, 1).reshape(len(part), -1))
    return torch.cat(outs)


def flash_kernel(query, key, value, query_bounds, key_bounds, most_query, most_key, *, window_size):
    """What CUDA's kernel computes: distances count from the last query, which stands at the last key."""
    assert most_query == int(query_bounds.diff().max()) and most_key == int(key_bounds.diff().max())
    outs, (left, right) = [], window_size
    for q, k, v in zip(
        query.split(query_bounds.diff().tolist()),
        key.split(key_bounds.diff().tolist()),
        value.split(key_bounds.diff().tolist()),
        strict=True,
    ):
        offset = len(k) - len(q)
        ahead = torch.arange(len(k))[None] - torch.arange(len(q))[:, None] - offset
        hidden = ((ahead > right) & (right >= 0)) | ((-ahead > left) & (left >= 0))
        scores = torch.einsum("qad,kad->aqk", q, k) / q.shape[-1] ** 0.5
        probs = scores.masked_fill(hidden, float("-inf")).softmax(-1)
        outs.append(torch.einsum("aqk,kad->qad", probs, v))
    return torch.cat(outs)


@pytest.fixture(autouse=True)
def varlen_on_the_cpu(monkeypatch):
    monkeypatch.setattr(varlen, "varlen_attn", flash_kernel)
    monkeypatch.setitem(BACKENDS, "varlen", replace(BACKENDS["varlen"], devices=None, dtypes=None))


def with_prefixes(batch, prefixes):
    return replace(batch, prefixes=prefixes_of(prefixes, batch.lengths))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("window", [None, 3])
def test_kernels_equal_the_definition_with_their_gradients(
    packed_of, lengths, kernel, pattern, dtype, window
):
    assert_equals_definition(packed_of(*lengths), kernel, PATTERNS[pattern](lengths), dtype, window)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("lengths", [*LENGTHS, (20, 15)])
@pytest.mark.parametrize("window", [1, 3, 7])
def test_chunks_equal_the_definition_with_their_gradients(packed_of, lengths, pattern, dtype, window):
    assert_equals_definition(packed_of(*lengths), "window", PATTERNS[pattern](lengths), dtype, window)


def assert_equals_definition(batch, kernel, prefixes, dtype, window):
    torch.manual_seed(0)
    num_tokens = sum(batch.lengths)
    ours = torch.randn(num_tokens, 3 * 24).to(dtype).requires_grad_()
    exact = ours.detach().double().requires_grad_()
    weights = torch.randn(num_tokens, 24).to(dtype)
    layout = layout_of(with_prefixes(batch, prefixes))
    out = attend(ours, layout, Demand(3, window=window), backend=kernel)
    expected = by_definition(exact, batch.lengths, prefixes, 3, window)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    tolerance = 1e-5 if dtype == torch.float32 else 0.04
    torch.testing.assert_close(out.double(), expected, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(ours.grad.double(), exact.grad, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("round_shapes", [False, True])
@pytest.mark.parametrize("prefixes", [(9, 1, 3, 1, 20, 7, 1), (9, 1, 8, 7, 20, 18, 2)])
def test_a_sequence_alone_equals_itself_in_a_batch(packed_of, kernel, round_shapes, prefixes):
    lengths = (9, 1, 8, 7, 20, 18, 2)
    layout = layout_of(with_prefixes(packed_of(*lengths), prefixes), round_shapes=round_shapes)
    qkv = torch.randn(layout.num_rows, 36)
    out = attend(qkv, layout, Demand(2), backend=kernel)
    assert len(out) == layout.num_rows and out.isfinite().all()
    out = out[: sum(lengths)]
    rows = qkv[: sum(lengths)].split(lengths)
    for length, prefix, own, found in zip(lengths, prefixes, rows, out.split(lengths), strict=True):
        alone = layout_of(with_prefixes(packed_of(length), (prefix,)))
        torch.testing.assert_close(attend(own, alone, Demand(2), backend=kernel), found)


def test_dropout_and_relative_positions_keep_what_is_hidden_hidden(packed_of):
    """Whatever later tokens are, earlier ones do not change."""
    layout = layout_of(with_prefixes(packed_of(12, 9), (4, 1)))
    qkv = torch.randn(21, 36)
    changed = qkv.clone()
    changed[8:12] += 1.0
    for demand in (Demand(2, 0.3), Demand(2, 0.3, SinusoidDistances(6, 5), 7)):
        outs = []
        for given in (qkv, changed):
            torch.manual_seed(0)
            outs.append(attend(given, layout, demand))
        assert torch.equal(outs[0][:8], outs[1][:8]) and torch.equal(outs[0][12:], outs[1][12:])
        assert not torch.equal(outs[0][8:12], outs[1][8:12])


def test_probabilities_are_zero_where_nothing_is_seen(packed_of):
    lengths, prefixes = (5, 4), (2, 4)
    layout = layout_of(with_prefixes(packed_of(*lengths), prefixes))
    _, (probs,) = attend_keeping(torch.randn(9, 12), layout, num_heads=2, dropout_prob=0.0, keep_probs=True)
    for s, (length, prefix) in enumerate(zip(lengths, prefixes, strict=True)):
        expected = seen(length, prefix).expand(2, -1, -1)
        assert torch.equal(probs[s, :, :length, :length] > 0, expected)
    assert not probs[1, :, :, 4:].any() and probs.isfinite().all()


def test_where_all_see_all_nothing_is_laid_out_for_prefixes(packed_of):
    batch = packed_of(12, 12, 4)
    assert prefixes_of((12, 15, 4), batch.lengths) is None
    assert prefixes_of(None, batch.lengths) is None
    assert layout_of(batch).parts is None
    # A group of its own, and in it all see all.
    layout = layout_of(with_prefixes(batch, (12, 12, 1)))
    assert [group.unseen is None for group in layout.groups] == [True, False]


def test_parts_compute_no_query_twice_and_leave_plain_batches_in_place():
    device = torch.device("cpu")
    one = parts_of((1, 1), (3, 4), num_rows=7, device=device)
    (part,) = one.parts
    assert one.places is None and part.query_rows is None and part.key_rows is None and part.causal
    both = parts_of((3, 2), (3, 4), num_rows=7, device=device)
    first, later = both.parts
    assert first.query_rows.tolist() == [0, 1, 2, 3, 4] == first.key_rows.tolist() and not first.causal
    assert later.query_rows.tolist() == [5, 6] and later.key_rows.tolist() == [3, 4, 5, 6] and later.causal
    assert (later.query_bounds.tolist(), later.key_bounds.tolist()) == ([0, 2], [0, 4])


def test_there_is_one_prefix_a_sequence():
    with pytest.raises(ValueError, match="3 prefixes for 2 sequences"):
        prefixes_of((1, 2, 3), (4, 4))


def packed_batch(lengths, positions=None, prefixes=None):
    lengths = np.array(lengths)
    ids = np.arange(lengths.sum(), dtype=np.int32)
    return PackedBatch(
        ids=ids,
        type_ids=np.zeros(len(ids), np.uint8),
        positions=positions_of(lengths) if positions is None else np.array(positions, np.int32),
        bounds=bounds_of(lengths),
        max_length=int(lengths.max()),
        targets={"labels": np.arange(3)},
        prefixes=None if prefixes is None else np.array(prefixes, np.int32),
    )


@pytest.mark.parametrize(
    ("positions", "has_gaps", "has_reversed"),
    [
        ([0, 1, 2, 0, 1], False, False),
        ([2, 1, 0, 0, 1], False, True),
        ([2, 1, 0, 1, 0], False, True),
        ([0, 1, 3, 0, 1], True, False),
        ([3, 1, 0, 1, 0], True, True),
        ([1, 2, 0, 0, 1], True, False),
    ],
)
def test_tensors_know_how_positions_count(positions, has_gaps, has_reversed):
    batch = packed_batch((3, 2), positions, prefixes=(1, 7))
    tensors = PackedTensors.from_batch(batch, torch.device("cpu"))
    assert (tensors.has_gaps, tensors.has_reversed) == (has_gaps, has_reversed)
    assert tensors.prefixes == (1, 2)
    assert tensors.positions.tolist() == positions and tensors.targets["labels"].tolist() == [0, 1, 2]
    assert (layout_of(tensors).groups[0].positions is not None) == (has_gaps or has_reversed)


@pytest.mark.parametrize("kernel", ["window", "matmul", "general", "varlen"])
def test_a_window_reaches_as_far_in_a_reversed_sequence(kernel):
    lengths, prefixes = (12, 9), (1, 9)
    positions = [*reversed(range(12)), *range(9)]
    layout = layout_of(
        PackedTensors.from_batch(packed_batch(lengths, positions, prefixes), torch.device("cpu"))
    )
    qkv = torch.randn(21, 36)
    out = attend(qkv, layout, Demand(2, window=3), backend=kernel)
    torch.testing.assert_close(out, by_definition(qkv, lengths, prefixes, 2, 3))
