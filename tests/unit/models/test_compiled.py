"""Compiled blocks compute the same, and batches of ever new lengths need few compilations."""

import dataclasses

import numpy as np
import pytest
import torch

from erya.models.compiled import compile_blocks
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.models.positions import Rotary

SIZES = {
    "vocab_size": 41, "hidden_size": 24, "num_heads": 3, "intermediate_size": 40, "max_positions": 64,
    "num_layers": 3, "dropout_prob": 0.0, "attention_dropout_prob": 0.0,
}  # fmt: skip
MODERN = {"pre_norm": True, "gated": True, "positions": Rotary(), "num_segments": 0}


def model_of(options):
    model = MaskedLanguageModel(Encoder(EncoderConfig(**(SIZES | options)), pooler=False)).train()
    initialise(model, initializer_range=0.3, generator=torch.Generator().manual_seed(0))
    return model


def batches_of(packed_of, number):
    rng = np.random.default_rng(0)
    for _ in range(number):
        batch = packed_of(*rng.integers(8, 40, rng.integers(16, 24)).tolist(), vocab_size=41)
        chosen = torch.from_numpy(np.flatnonzero(rng.random(len(batch.ids)) < 0.15))
        targets = {"masked_positions": chosen, "masked_labels": chosen % 41}
        yield dataclasses.replace(batch, targets=targets)


@pytest.mark.parametrize("options", [{}, MODERN], ids=["classical", "modern"])
def test_compiled_blocks_compute_the_same(options, packed_of):
    torch._dynamo.reset()
    plain, compiled = model_of(options), model_of(options)
    names = list(compiled.state_dict())
    compile_blocks(compiled.encoder, backend="aot_eager")
    assert list(compiled.state_dict()) == names
    (batch,) = batches_of(packed_of, 1)
    expected, found = plain.loss(batch).total, compiled.loss(batch).total
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    expected.backward()
    found.backward()
    for own, other in zip(compiled.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_few_compilations_serve_batches_of_every_length(packed_of):
    torch._dynamo.reset()
    model, lengths, graphs = model_of({"num_layers": 2}), set(), []
    compile_blocks(model.encoder, backend=lambda graph, _: graphs.append(graph) or graph.forward)
    with torch.no_grad():
        for batch in batches_of(packed_of, 50):
            lengths.add(len(batch.ids))
            model.loss(batch)
    # Octaves of 16 rungs: from 300 to 700 tokens 21; those chosen, a seventh of them, are multiples of 8.
    assert len(lengths) > 40 and 0 < len(graphs) <= 30


def test_more_rows_than_asked_for_do_not_come_out(packed_of):
    encoder, batch = model_of({}).encoder, packed_of(12, 20, vocab_size=41)
    rows = torch.arange(3, 20)
    expected = encoder(batch, rows=rows).hidden
    encoder.round_shapes = True
    torch.testing.assert_close(encoder(batch, rows=rows).hidden, expected)
    assert encoder(batch).hidden.shape == (32, 24)
    assert encoder(batch, rows=rows[:0]).hidden.shape == (0, 24)
