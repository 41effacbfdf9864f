"""Some rows of the last block are what they are among all of them, in every family, gradients included."""

import pytest
import torch

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.positions import Disentangled, Rotary

SIZES = {
    "vocab_size": 41, "hidden_size": 24, "num_heads": 3, "intermediate_size": 40, "max_positions": 64,
    "num_layers": 2,
}  # fmt: skip
OPTIONS = {
    "classical": {},
    "modern": {
        "pre_norm": True, "gated": True, "window": 4, "global_every": 2, "positions": Rotary(),
        "num_segments": 0,
    },
    "one block": {"num_layers": 1},
    "shared": {"num_layers": 4, "num_groups": 2, "group_size": 2, "embedding_size": 10},
    "convolution": {"convolution": 3, "positions": Disentangled(max_distance=12, num_buckets=6)},
    "only a convolution": {"convolution": 3, "num_layers": 1},
}  # fmt: skip
ROWS = torch.tensor([5, 0, 46, 12, 5, 30])


def encoder_of(name):
    encoder = Encoder(EncoderConfig(**(SIZES | OPTIONS[name])), pooler=False).eval()
    initialise(encoder, initializer_range=0.3, generator=torch.Generator().manual_seed(0))
    return encoder


@pytest.mark.parametrize("name", OPTIONS)
def test_rows_equal_those_of_the_whole_output_with_their_gradient(name, packed_of):
    encoder, batch = encoder_of(name), packed_of(12, 20, 1, 14, vocab_size=41)
    weights = torch.randn(len(ROWS), 24, generator=torch.Generator().manual_seed(1))
    whole = encoder(batch).hidden.index_select(0, ROWS)
    (whole * weights).sum().backward()
    expected = {key: parameter.grad for key, parameter in encoder.named_parameters()}
    encoder.zero_grad(set_to_none=True)
    found = encoder(batch, rows=ROWS).hidden
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)
    (found * weights).sum().backward()
    for key, parameter in encoder.named_parameters():
        if expected[key] is not None:
            torch.testing.assert_close(parameter.grad, expected[key], rtol=1e-3, atol=1e-4)


def test_the_last_feed_forward_layer_sees_only_those_rows(packed_of):
    encoder, seen = encoder_of("classical"), []
    for block in encoder.blocks:
        block.feedforward.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    encoder(packed_of(12, 20, vocab_size=41), rows=torch.tensor([3, 9]))
    assert seen == [32, 2]


def test_more_rows_than_tokens_are_all_given(packed_of):
    rows = torch.tensor([0, 1, 1, 0, 2])
    assert encoder_of("classical")(packed_of(3, vocab_size=41), rows=rows).hidden.shape == (5, 24)


def test_idle_rows_of_half_precision_do_not_come_out(packed_of):
    encoder, batch = encoder_of("modern"), packed_of(33, 17, 7, vocab_size=41)
    rows = torch.tensor([0, 33, 56])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, whole = encoder(batch, rows=rows).hidden, encoder(batch).hidden
    torch.testing.assert_close(found, whole[rows], rtol=0.05, atol=0.05)


def test_rows_and_the_states_of_all_blocks_do_not_go_together(packed_of):
    with pytest.raises(ValueError, match="does not go with rows"):
        encoder_of("classical")(packed_of(3, vocab_size=41), rows=torch.tensor([0]), keep_all_hidden=True)
