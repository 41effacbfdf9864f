"""The variable-length kernel on a GPU under prefixes and windows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from erya.nn.attention import Demand, attend
from erya.nn.layout import layout_of
from erya.nn.prefixes import prefixes_of

LENGTHS = (70, 1, 64, 7, 129, 40)


@pytest.mark.gpu
@pytest.mark.parametrize("window", [None, 5, 48])
@pytest.mark.parametrize("prefixes", [None, (1,) * 6, (30, 1, 10, 7, 100, 2), (70, 1, 1, 3, 129, 1)])
def test_equals_plain_products_with_their_gradient(packed_of, prefixes, window):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = packed_of(*LENGTHS)
    moved = {name: getattr(batch, name).cuda() for name in ("ids", "type_ids", "positions", "bounds")}
    layout = layout_of(replace(batch, **moved, prefixes=prefixes_of(prefixes, LENGTHS)))
    torch.manual_seed(0)
    num_tokens = int(np.sum(LENGTHS))
    qkv = torch.randn(num_tokens, 3 * 128, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    exact = qkv.detach().float().requires_grad_()
    weights = torch.randn(num_tokens, 128, device="cuda")
    demand, outs = Demand(2, window=window), []
    for given, backend in ((qkv, "varlen"), (exact, "matmul")):
        outs.append(attend(given, layout, demand, backend=backend).float())
        (outs[-1] * weights).sum().backward()
    assert (outs[0] - outs[1]).abs().max() < 0.03
    assert (qkv.grad.float() - exact.grad).abs().max() < 0.02 * exact.grad.abs().max()
