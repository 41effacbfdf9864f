"""Rotary turns, distances and convolutions against their definitions."""

import math

import pytest
import torch

from erya.nn.convolution import TokenConvolution
from erya.nn.layout import layout_of
from erya.nn.packing import PackedTensors
from erya.nn.relative import DistanceEmbeddings, SinusoidDistances, log_buckets, sinusoids
from erya.nn.rotary import RotaryTurn


@pytest.mark.parametrize("interleaved", [False, True])
def test_turned_products_depend_on_the_distance_alone(interleaved):
    torch.manual_seed(0)
    turn = RotaryTurn(6, 50, base=100.0, interleaved=interleaved)
    one = torch.randn(1, 3, 1, 6).expand(2, 3, 1, 6).reshape(2, -1)
    products = []
    for start in (0, 7, 40):
        turned = turn(one, torch.tensor([start, start + 4]), num_heads=1).view(2, 3, 6)
        products.append(turned[0, 0] @ turned[1, 1])
        torch.testing.assert_close(turned[:, 2], one.view(2, 3, 6)[:, 2])
    torch.testing.assert_close(products[0], products[1])
    torch.testing.assert_close(products[0], products[2])


@pytest.mark.parametrize("interleaved", [False, True])
def test_pairs_are_turned_as_complex_numbers(interleaved):
    turn = RotaryTurn(4, 9, base=16.0, interleaved=interleaved, values=True)
    qkv = torch.randn(1, 12)
    turned = turn(qkv, torch.tensor([5]), num_heads=1).view(3, 4)
    for part, given in zip(turned, qkv.view(3, 4), strict=True):
        pairs = ((0, 1), (2, 3)) if interleaved else ((0, 2), (1, 3))
        for (a, b), frequency in zip(pairs, (1.0, 0.25), strict=True):
            factor = complex(math.cos(5 * frequency), math.sin(5 * frequency))
            expected = complex(given[a], given[b]) * factor
            assert part[a] == pytest.approx(expected.real, abs=1e-6)
            assert part[b] == pytest.approx(expected.imag, abs=1e-6)


def test_an_odd_head_is_refused():
    with pytest.raises(ValueError, match="a head of 5 numbers is odd"):
        RotaryTurn(5, 9, base=16.0)


def test_sinusoid_distances_equal_the_sum_over_pairs():
    torch.manual_seed(0)
    part = SinusoidDistances(4, 3)
    query, probs = torch.randn(2, 1, 6, 4), torch.rand(2, 1, 6, 6)
    places = torch.tensor([[0, 1, 2, 3, 4, 9], [0, 1, 2, 3, 4, 5]])
    distances = places[:, :, None] - places[:, None]
    table = sinusoids(7, 4)
    rows = table[(-distances).clamp(-3, 3) + 3][:, None]
    expected = torch.einsum("gaid,gaijd->gaij", query, rows) / 2
    scores = torch.ones(2, 1, 6, 6)
    part.add_scores(scores, query, query, distances)
    torch.testing.assert_close(scores, 1 + expected)
    expected = torch.einsum("gaij,gaijd->gaid", probs, rows)
    torch.testing.assert_close(part.values(probs, distances), expected)


def test_buckets_are_fine_near_and_coarse_far():
    distances = torch.tensor([-40, -5, -4, 0, 3, 4, 5, 6, 15, 31, 40])
    buckets = log_buckets(distances, num_buckets=8, max_distance=32)
    assert buckets[1:6].tolist() == [-5, -4, 0, 3, 4]
    assert buckets[-2] == 7 and buckets[-1] >= 7 and buckets[0] == -buckets[-1]
    assert buckets.diff().ge(0).all()


@pytest.mark.parametrize(("width", "groups"), [(1, 1), (3, 1), (5, 3)])
def test_convolution_equals_the_convolution_of_each_sequence(packed_of, width, groups):
    torch.manual_seed(0)
    lengths = (5, 1, 7, 2)
    part = TokenConvolution(
        6, width, groups=groups, activation="tanh", norm_eps=1e-7, dropout_prob=0.0
    ).eval()
    source, hidden = torch.randn(15, 6), torch.randn(15, 6)
    out = part(source, hidden, layout_of(packed_of(*lengths)))
    weight, bias = part.convolution.weight, part.convolution.bias
    rows = [
        torch.conv1d(x.T[None], weight, bias, padding=width // 2, groups=groups)[0].T
        for x in source.split(lengths)
    ]
    torch.testing.assert_close(out, part.norm(hidden + torch.cat(rows).tanh()))


def test_convolution_counts_gaps_as_zeros():
    torch.manual_seed(0)
    ids, mask = torch.zeros(1, 8, dtype=torch.int64), torch.zeros(1, 8, dtype=torch.bool)
    mask[0, [1, 2, 4, 7]] = True
    batch = PackedTensors.from_padded(ids, mask, ids)
    part = TokenConvolution(3, 5, groups=1, activation="tanh", norm_eps=1e-7, dropout_prob=0.0).eval()
    padded = torch.zeros(8, 3)
    padded[mask[0]] = source = torch.randn(4, 3)
    convolved = torch.conv1d(padded.T[None], part.convolution.weight, part.convolution.bias, padding=2)
    expected = part.norm(convolved[0].T[mask[0]].tanh())
    torch.testing.assert_close(part(source, torch.zeros(4, 3), layout_of(batch)), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("interleaved", [False, True])
def test_the_gradient_of_a_turn_is_the_turn_back(interleaved, dtype):
    """Of a linear map L, <L x, w> is <x, gradient> for every x."""
    torch.manual_seed(0)
    turn = RotaryTurn(6, 50, base=100.0, interleaved=interleaved)
    positions = torch.tensor([3, 0, 41])
    given, other, weights = torch.randn(3, 3, 36)
    given = given.to(dtype).requires_grad_()
    turned = turn(given, positions, num_heads=2)
    assert turned.dtype == dtype
    turned.backward(weights.to(dtype))
    expected = (turn(other, positions, num_heads=2) * weights).sum()
    tolerance = 1e-5 if dtype == torch.float32 else 0.3
    torch.testing.assert_close((other * given.grad.float()).sum(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("num_buckets", [None, 2, 6, 40])
@pytest.mark.parametrize("max_distance", [5, 24, 43])
def test_embeddings_of_distances_that_occur_are_enough(num_buckets, max_distance):
    part = DistanceEmbeddings(4, max_distance=max_distance, num_buckets=num_buckets, norm_eps=None)
    rows = len(part.embeddings.weight)
    for longest in range(60):
        distances = torch.arange(-longest, longest + 1)
        buckets = distances
        if num_buckets is not None:
            buckets = log_buckets(distances, num_buckets=num_buckets, max_distance=max_distance)
        table = part(longest)
        found = table[(buckets + len(table) // 2).clamp(0, len(table) - 1)]
        expected = part.embeddings.weight[(buckets + rows // 2).clamp(0, rows - 1)]
        assert torch.equal(found, expected)
    assert len(part(1)) == 3
