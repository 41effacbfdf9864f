"""Rows that only round shapes up have no share in any gradient."""

import pytest
import torch

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.positions import Relative

SIZES = {
    "vocab_size": 41, "hidden_size": 24, "num_heads": 3, "intermediate_size": 40, "max_positions": 64,
    "num_layers": 3,
}  # fmt: skip
KERNELS = {
    "matmul": {},
    "window": {"window": 3, "global_every": 2},  # chunks, since sequences are longer than five windows
    "general": {"positions": Relative(max_distance=7)},
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("lengths", [(33, 20, 20, 7, 1), (19, 19), (21,)])
def test_gradients_are_those_without_idle_rows(kernel, lengths, packed_of):
    config = EncoderConfig(**(SIZES | KERNELS[kernel]))
    encoder = Encoder(config, pooler=False).eval()
    initialise(encoder, initializer_range=0.3, generator=torch.Generator().manual_seed(0))
    batch, grads = packed_of(*lengths, vocab_size=41), []
    weights = torch.randn(len(batch.ids), 24, generator=torch.Generator().manual_seed(1))
    for encoder.round_shapes in (False, True):
        encoder.zero_grad(set_to_none=True)
        (encoder(batch).hidden * weights).sum().backward()
        grads.append({name: parameter.grad for name, parameter in encoder.named_parameters()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, rtol=1e-3, atol=1e-4, msg=name)
