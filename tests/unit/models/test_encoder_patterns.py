"""Encoders of every kind of positions read from left to right, from right to left and behind a prefix."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.models import encoder as encoder_module
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.positions import Absolute, Disentangled, Relative, Rotary
from erya.nn.layout import layout_of
from erya.nn.packing import PackedTensors

CPU = torch.device("cpu")
SIZES = {"vocab_size": 50, "hidden_size": 24, "num_heads": 3, "intermediate_size": 40, "max_positions": 40}
KINDS = {
    "absolute": {"positions": Absolute(first=2)},
    "rotary": {"positions": Rotary(interleaved=True, values=True)},
    "local": {"positions": Rotary(local_base=100.0), "window": 3, "global_every": 2, "pre_norm": True},
    "relative": {"positions": Relative(max_distance=5)},
    "buckets": {"positions": Disentangled(max_distance=16, num_buckets=6)},
    "disentangled": {
        "positions": Disentangled(max_distance=7, num_buckets=None, shared_projections=False, absolute=True)
    },
}
LENGTHS = (13, 10, 11, 1, 5)


@pytest.fixture(params=KINDS)
def encoder(request):
    built = Encoder(EncoderConfig(**SIZES, num_layers=3, **KINDS[request.param])).eval()
    initialise(built, initializer_range=0.3, generator=torch.Generator().manual_seed(0))
    return built


def laid_out(*, turned, prefixes=None):
    """A batch; sequences `turned` are laid out from the last token to the first."""
    lengths = np.array(LENGTHS)
    rng = np.random.default_rng(1)
    ids, types = rng.integers(0, 50, lengths.sum()), rng.integers(0, 2, lengths.sum())
    order, bounds = np.arange(lengths.sum()), bounds_of(lengths)
    for s in turned:
        part = slice(bounds[s], bounds[s + 1])
        order[part] = order[part][::-1].copy()
    batch = PackedBatch(
        ids=ids[order].astype(np.int32),
        type_ids=types[order].astype(np.uint8),
        positions=positions_of(lengths)[order],
        bounds=bounds,
        max_length=int(lengths.max()),
        targets={},
        prefixes=None if prefixes is None else np.array(prefixes, np.int32),
    )
    return PackedTensors.from_batch(batch, CPU), torch.from_numpy(order)


def hidden_by_definition(encoder, sees, monkeypatch):
    """States of the natural order where `sees(s, query, key)`, by positions, says what a sequence sees."""

    def masked(batch, *, round_shapes):
        layout = layout_of(batch, round_shapes=round_shapes)
        order, groups = iter(layout.order), []
        for group in layout.groups:
            unseen = torch.zeros(group.num_sequences, group.length, group.length, dtype=torch.bool)
            for row in unseen:
                s = next(order)
                for query in range(LENGTHS[s]):
                    for key in range(LENGTHS[s]):
                        row[query, key] = not sees(s, query, key)
            groups.append(replace(group, unseen=unseen))
        return replace(layout, groups=tuple(groups))

    batch, _ = laid_out(turned=())
    with monkeypatch.context() as patched:
        patched.setattr(encoder_module, "layout_of", masked)
        return encoder(batch).hidden


@torch.no_grad()
def test_right_to_left_is_attention_to_later_positions(encoder, monkeypatch):
    batch, order = laid_out(turned=range(5), prefixes=[1] * 5)
    expected = hidden_by_definition(encoder, lambda s, query, key: key >= query, monkeypatch)
    torch.testing.assert_close(encoder(batch).hidden, expected[order], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_patterns_go_together_in_a_batch(encoder, monkeypatch):
    prefixes = (1, 1, 4, 1, 5)  # from right to left; from left to right; a prefix; one token; all
    batch, order = laid_out(turned=[0], prefixes=prefixes)

    def sees(s, query, key):
        return key >= query if s == 0 else key < prefixes[s] or key <= query

    expected = hidden_by_definition(encoder, sees, monkeypatch)
    torch.testing.assert_close(encoder(batch).hidden, expected[order], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_in_both_directions_the_order_of_rows_says_nothing(encoder):
    plain, turned = laid_out(turned=()), laid_out(turned=(0, 2))
    torch.testing.assert_close(
        encoder(turned[0]).hidden, encoder(plain[0]).hidden[turned[1]], rtol=1e-4, atol=1e-5
    )


@torch.no_grad()
def test_attentions_are_zero_where_nothing_is_seen(encoder):
    batch, _ = laid_out(turned=(1,), prefixes=[3, 1, 1, 1, 5])
    output = encoder(batch, keep_attentions=True)
    torch.testing.assert_close(output.hidden, encoder(batch).hidden, rtol=1e-4, atol=1e-5)
    for of_block in output.attentions:
        for s, (probs, prefix) in enumerate(zip(of_block, batch.prefixes, strict=True)):
            places = torch.arange(LENGTHS[s])
            hidden = (places[None] > places[:, None]) & (places[None] >= prefix)
            assert not probs[:, hidden].any() and probs[:, places, places].all()


def test_gradients_under_autocast_are_finite(encoder):
    batch, _ = laid_out(turned=(1,), prefixes=[3, 1, 1, 1, 5])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = encoder(batch).hidden
    hidden.float().square().sum().backward()
    grads = [parameter.grad for name, parameter in encoder.named_parameters() if "pooler" not in name]
    assert all(grad is not None and grad.isfinite().all() for grad in grads)


def test_a_convolution_takes_no_prefixes():
    config = EncoderConfig(**SIZES, num_layers=2, convolution=3, **KINDS["buckets"])
    batch, _ = laid_out(turned=(), prefixes=[1] * 5)
    with pytest.raises(ValueError, match="right neighbours"):
        Encoder(config)(batch)
    Encoder(config)(replace(batch, prefixes=None))
