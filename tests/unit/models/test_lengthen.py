"""Encoders for longer sequences: what stays, what grows, what is refused."""

import pytest
import torch

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.lengthen import grow_hierarchically, interpolate, lengthen, lengthened
from erya.models.positions import Absolute, Disentangled, Relative, Rotary

SIZES = {"vocab_size": 30, "hidden_size": 24, "num_layers": 2, "num_heads": 2, "intermediate_size": 20}


def encoder_of(**options):
    torch.manual_seed(1)
    return Encoder(EncoderConfig(**SIZES, **{"max_positions": 12, **options})).eval()


def encode(encoder, ids):
    with torch.no_grad():
        return encoder.padded(ids, torch.ones_like(ids))[0]


def test_hierarchical_positions_are_those_of_the_formula():
    table = torch.randn(5, 3)
    grown = grow_hierarchically(table, 17)
    parts = (table - 0.4 * table[0]) / 0.6
    assert torch.equal(grown[:5], table)
    torch.testing.assert_close(grown[13], 0.4 * parts[2] + 0.6 * parts[3])
    assert len({tuple(row.tolist()) for row in grown}) == 17


def test_a_table_grows_to_its_square_at_most():
    assert grow_hierarchically(torch.randn(4, 2), 16).shape == (16, 2)
    with pytest.raises(ValueError, match="grow to 16 at most, not to 17"):
        grow_hierarchically(torch.randn(4, 2), 17)


def test_interpolation_keeps_the_ends_and_lies_between():
    table = torch.tensor([[0.0, 1.0], [2.0, 5.0], [4.0, 9.0]])
    expected = torch.tensor([[0.0, 1.0], [1.0, 3.0], [2.0, 5.0], [3.0, 7.0], [4.0, 9.0]])
    torch.testing.assert_close(interpolate(table, 5), expected)


@pytest.mark.parametrize(
    "positions",
    [Absolute(), Absolute(first=2), Relative(max_distance=3), Disentangled(max_distance=6, num_buckets=4)],
    ids=lambda positions: f"{positions.kind}",
)
def test_short_sequences_stay_as_they_were(positions):
    old = encoder_of(positions=positions)
    new = lengthen(old, 40)
    ids = torch.randint(5, 30, (2, 12))
    assert torch.equal(encode(old, ids), encode(new, ids))
    assert encode(new, torch.randint(5, 30, (1, 40))).isfinite().all()
    assert len({*old.state_dict()} ^ {*new.state_dict()}) == 0 and not new.training


def test_padding_keeps_its_positions_when_the_others_are_squeezed():
    old = encoder_of(positions=Absolute(first=2))
    new = lengthen(old, 23, method="interpolate")
    before, after = old.embeddings.positions.weight, new.embeddings.positions.weight
    assert after.shape == (25, 24) and torch.equal(after[:2], before[:2])
    torch.testing.assert_close(after[2::2][:12], before[2:])


def test_slow_angles_reach_as_far_and_quick_ones_stay():
    config = EncoderConfig(**SIZES, max_positions=512, positions=Rotary(base=10_000.0))
    longer = lengthened(config, 2048)
    size = config.hidden_size // config.num_heads
    slowest = [c.positions.base ** -((size - 2) / size) for c in (config, longer)]
    assert slowest[0] * 512 == pytest.approx(slowest[1] * 2048)
    assert longer.positions.local_base is None


def test_angles_within_a_window_stay():
    config = EncoderConfig(**SIZES, positions=Rotary(base=9.0), window=8, global_every=3)
    assert lengthened(config, 2048).positions.local_base == 9.0
    config = EncoderConfig(**SIZES, positions=Rotary(base=9.0, local_base=5.0), window=8, global_every=3)
    assert lengthened(config, 2048).positions.local_base == 5.0


def test_what_is_not_longer_is_refused():
    with pytest.raises(ValueError, match="takes 12 tokens already"):
        lengthen(encoder_of(), 12)
    with pytest.raises(ValueError, match="no method 'stretch'; there are: hierarchical, interpolate"):
        lengthen(encoder_of(), 20, method="stretch")


def test_an_encoder_says_what_it_can_take():
    with pytest.raises(ValueError, match="13 tokens; this encoder takes at most 12"):
        encode(encoder_of(positions=Rotary()), torch.full((1, 13), 5))


def test_number_format_and_kernel_stay():
    encoder = Encoder(EncoderConfig(**SIZES, max_positions=12), attention_backend="general").bfloat16()
    new = lengthen(encoder, 20)
    assert new.embeddings.positions.weight.dtype == torch.bfloat16
    assert new.blocks[1].attention.backend == "general"


def test_a_single_pair_turns_as_before():
    config = EncoderConfig(**{**SIZES, "num_heads": 12}, positions=Rotary(base=9.0))
    assert lengthened(config, 2048).positions.base == 9.0
