"""One vector a sequence."""

import pytest
import torch

from erya.nn.pooling import Pooler, pool_tokens


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_each_sequence_is_pooled_by_itself(packed_of, pooling):
    torch.manual_seed(0)
    hidden = torch.randn(9, 4, requires_grad=True)
    pooled = pool_tokens(hidden, packed_of(3, 1, 5), pooling=pooling)
    define = {"first": lambda x: x[0], "mean": lambda x: x.mean(0), "max": lambda x: x.amax(0)}[pooling]
    torch.testing.assert_close(pooled, torch.stack([define(x) for x in hidden.split((3, 1, 5))]))
    pooled.sum().backward()
    assert hidden.grad.sum() == pytest.approx(12)  # each channel of each sequence hands out one


def test_the_norm_comes_last():
    torch.manual_seed(0)
    norm = torch.nn.LayerNorm(4)
    pooler = Pooler(4, activation="relu", bias=False, norm=norm)
    states = torch.randn(2, 4)
    assert pooler.dense.bias is None
    torch.testing.assert_close(pooler(states), norm(torch.relu(states @ pooler.dense.weight.T)))
