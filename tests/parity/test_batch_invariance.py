"""A text alone and the same text in any batch give the same output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from huggingface_models import assert_close

from erya.data.batches import pack
from erya.data.features import Features
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.nn.packing import PackedTensors

LENGTHS = (1, 2, 3, 7, 16, 16, 31, 64, 65, 128)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    config = EncoderConfig(
        vocab_size=97, hidden_size=48, num_layers=3, num_heads=4, intermediate_size=80, max_positions=128
    )
    encoder = Encoder(config)
    initialise(encoder, initializer_range=0.2, generator=torch.Generator().manual_seed(0))
    return encoder.eval()


@pytest.fixture(scope="module")
def texts() -> list[Features]:
    rng = np.random.default_rng(5)
    return [
        Features(rng.integers(0, 97, length).astype(np.int32), rng.integers(0, 2, length).astype(np.uint8))
        for length in LENGTHS
    ]


def encode(encoder: Encoder, texts: list[Features]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """(hidden states, pooled) of each text of one batch."""
    batch = PackedTensors.from_batch(pack(texts), torch.device("cpu"))
    output = encoder(batch)
    pooled = encoder.pool(output, batch)
    return list(zip(output.hidden.split(batch.lengths), pooled.unbind(), strict=True))


@pytest.mark.parametrize("seed", range(5))
@torch.no_grad()
def test_alone_equals_in_any_batch(encoder: Encoder, texts: list[Features], seed: int) -> None:
    rng = np.random.default_rng(seed)
    chosen = [texts[i] for i in rng.permutation(len(texts))[: rng.integers(2, len(texts) + 1)]]
    for text, (hidden, pooled) in zip(chosen, encode(encoder, chosen), strict=True):
        ((hidden_alone, pooled_alone),) = encode(encoder, [text])
        assert_close(hidden, hidden_alone)
        assert_close(pooled, pooled_alone)
