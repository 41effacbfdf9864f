"""The formulas against what torch counts of a real step, and against pairs counted one by one."""

import dataclasses

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.flops import encoder_flops_per_token, flops_per_token
from erya.models.masked_lm import MaskedLanguageModel
from erya.models.positions import Disentangled, Relative, Rotary

SIZES = {
    "vocab_size": 128, "hidden_size": 32, "num_layers": 3, "num_heads": 2, "intermediate_size": 80,
    "max_positions": 64, "dropout_prob": 0.0, "attention_dropout_prob": 0.0,
}  # fmt: skip
OPTIONS = {
    "classical": {},
    "modern": {"pre_norm": True, "gated": True, "positions": Rotary(), "num_segments": 0},
    "one block": {"num_layers": 1},
    "shared": {"num_layers": 4, "num_groups": 2, "group_size": 2, "embedding_size": 16},
    "convolution": {"convolution": 5},
    "only a convolution": {"convolution": 3, "num_layers": 1},
    "fixed distances": {"positions": Relative(max_distance=9)},
}  # fmt: skip
LENGTH, SEQUENCES = 24, 4


def counted(config, run):
    with FlopCounterMode(display=False) as counter:
        run()
    return counter.get_total_flops() / (LENGTH * SEQUENCES)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_step_costs_what_torch_counts(name, packed_of):
    config = EncoderConfig(**(SIZES | OPTIONS[name]))
    model = MaskedLanguageModel(Encoder(config, pooler=False)).train()
    chosen = torch.arange(0, LENGTH * SEQUENCES, 6)
    targets = {"masked_positions": chosen, "masked_labels": chosen % 128}
    batch = dataclasses.replace(packed_of(*[LENGTH] * SEQUENCES, vocab_size=128), targets=targets)
    share = len(chosen) / (LENGTH * SEQUENCES)
    found = flops_per_token(config, length=LENGTH, masked_share=share)
    assert found.total == pytest.approx(counted(config, lambda: model.loss(batch).total.backward()), rel=0.02)
    assert found.total == found.encoder + found.attention + found.head


def test_learned_distances_cost_what_torch_counts_but_for_their_projection(packed_of):
    config = EncoderConfig(**(SIZES | {"positions": Disentangled(max_distance=32, num_buckets=None)}))
    encoder, batch = Encoder(config, pooler=False), packed_of(*[LENGTH] * SEQUENCES, vocab_size=128)
    rows = 2 * (LENGTH - 1) + 1
    projected = 3 * 2 * 2 * rows * 32 * 32 * config.num_layers / (LENGTH * SEQUENCES)
    expected = counted(config, lambda: encoder(batch).hidden.sum().backward()) - projected
    assert encoder_flops_per_token(config, length=LENGTH).total == pytest.approx(expected, rel=0.02)


def test_a_convolution_in_groups_costs_their_share():
    # torch counts the gradient of a convolution's weights as if it had one group.
    plain, whole, parts = (
        encoder_flops_per_token(EncoderConfig(**(SIZES | options)), length=LENGTH).total
        for options in ({}, {"convolution": 5}, {"convolution": 5, "convolution_groups": 4})
    )
    assert whole - plain == pytest.approx(4 * (parts - plain))


@pytest.mark.parametrize("window", [1, 5, 30])
def test_a_window_costs_the_pairs_it_shows(window):
    config = EncoderConfig(**(SIZES | {"window": window, "global_every": 2}))
    places = torch.arange(LENGTH)
    near = int(((places[:, None] - places).abs() <= window).sum()) / LENGTH
    found = encoder_flops_per_token(config, length=LENGTH).attention
    assert found == pytest.approx(3 * 2 * 2 * 32 * (2 * LENGTH + near))  # the second of three blocks has it
