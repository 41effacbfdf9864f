"""Blocks computed twice give the same to the last bit, dropout included, and keep less."""

import pytest
import torch

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.positions import Disentangled, Rotary

SIZES = {
    "vocab_size": 41, "hidden_size": 24, "num_heads": 3, "intermediate_size": 96, "max_positions": 64,
    "num_layers": 4, "dropout_prob": 0.2, "attention_dropout_prob": 0.3,
}  # fmt: skip
OPTIONS = {
    "classical": {},
    "modern": {
        "pre_norm": True, "gated": True, "window": 3, "global_every": 2, "positions": Rotary(),
        "num_segments": 0,
    },
    "shared": {"num_groups": 2, "group_size": 2, "embedding_size": 10},
    "convolution": {"convolution": 3, "positions": Disentangled(max_distance=12, num_buckets=6)},
}  # fmt: skip
ROWS = torch.tensor([5, 0, 46, 12, 30])


def encoder_of(name, *, twice):
    encoder = Encoder(EncoderConfig(**(SIZES | OPTIONS[name])), pooler=False, checkpoint_activations=twice)
    initialise(encoder, initializer_range=0.3, generator=torch.Generator().manual_seed(0))
    return encoder.train()


def step(encoder, batch, *, half):
    """The states, every gradient, and how many bytes were kept for the backward pass."""
    kept = []
    torch.manual_seed(7)
    with (
        torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.nbytes) or x, lambda x: x),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=half),
    ):
        hidden = encoder(batch, rows=ROWS).hidden
    hidden.float().square().sum().backward()
    return hidden, {name: parameter.grad for name, parameter in encoder.named_parameters()}, sum(kept)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_states_and_gradients_are_the_same_to_the_last_bit(name, half, packed_of):
    batch = packed_of(12, 20, 1, 14, vocab_size=41)
    states, grads, kept = step(encoder_of(name, twice=False), batch, half=half)
    again, grads_again, kept_again = step(encoder_of(name, twice=True), batch, half=half)
    assert torch.equal(states, again)
    for parameter, grad in grads.items():
        assert torch.equal(grad, grads_again[parameter]), parameter
    assert kept_again < 0.3 * kept


def test_the_generator_ends_where_it_would(packed_of):
    after = []
    for twice in (False, True):
        step(encoder_of("classical", twice=twice), packed_of(12, 20, 15, vocab_size=41), half=False)
        after.append(torch.rand(3))
    assert torch.equal(*after)


def test_probabilities_are_handed_out_once(packed_of):
    output = encoder_of("classical", twice=True)(packed_of(12, 5, vocab_size=41), keep_attentions=True)
    assert len(output.attentions) == 4


def test_nothing_is_computed_twice_without_gradients(packed_of):
    encoder, calls = encoder_of("classical", twice=True), []
    encoder.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        encoder(packed_of(12, vocab_size=41))
    encoder(packed_of(12, vocab_size=41)).hidden.sum().backward()
    assert len(calls) == 3
