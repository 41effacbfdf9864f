import dataclasses
from dataclasses import replace

import pytest
import torch

from erya.config import validate
from erya.errors import ConfigError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors

CONFIG = EncoderConfig(
    vocab_size=50, hidden_size=24, num_layers=2, num_heads=3, intermediate_size=40, max_positions=64
)


@pytest.fixture
def encoder():
    built = Encoder(CONFIG).eval()
    initialise(built, initializer_range=0.5, generator=torch.Generator().manual_seed(0))
    return built


def alone(batch, s):
    start, end = batch.bounds[s].item(), batch.bounds[s + 1].item()
    part = slice(start, end)
    length = end - start
    return PackedTensors(
        batch.ids[part], batch.type_ids[part], batch.positions[part],
        torch.tensor([0, length], dtype=torch.int32), (length,), {},
    )  # fmt: skip


def test_a_sequence_alone_equals_itself_in_any_batch(encoder, packed_of):
    batch = packed_of(12, 64, 1, 9, 12, 30)
    with torch.no_grad():
        output = encoder(batch)
        pooled = encoder.pool(output, batch)
        for s, hidden in enumerate(output.hidden.split(batch.lengths)):
            single = alone(batch, s)
            expected = encoder(single)
            scale = expected.hidden.abs().max()
            assert (hidden - expected.hidden).abs().max() <= 1e-5 * scale
            assert (pooled[s] - encoder.pool(expected, single)[0]).abs().max() <= 1e-5


def test_no_token_sees_another_sequence(encoder, packed_of):
    batch = packed_of(5, 6, 5)
    changed = dataclasses.replace(batch, ids=torch.cat([batch.ids[:5], (batch.ids[5:] + 1) % 50]))
    with torch.no_grad():
        before, after = encoder(batch).hidden, encoder(changed).hidden
    torch.testing.assert_close(before[:5], after[:5])
    assert not torch.allclose(before[5:], after[5:])


def test_pooled_equals_pooling_the_whole_output_with_its_gradient(encoder, packed_of):
    batch = packed_of(12, 30, 1, 9)
    whole = encoder.pool(encoder(batch), batch)
    weights = torch.randn(4, CONFIG.hidden_size, generator=torch.Generator().manual_seed(1))
    (whole * weights).sum().backward()
    expected = {name: parameter.grad for name, parameter in encoder.named_parameters()}
    encoder.zero_grad(set_to_none=True)
    pooled = encoder.pooled(batch)
    torch.testing.assert_close(pooled, whole, rtol=1e-5, atol=1e-6)
    (pooled * weights).sum().backward()
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-4)


def test_all_hidden_holds_the_embeddings_and_every_block(encoder, packed_of):
    output = encoder(packed_of(3, 4), keep_all_hidden=True)
    assert len(output.all_hidden) == 1 + CONFIG.num_layers
    assert torch.equal(output.all_hidden[-1], output.hidden)
    assert encoder(packed_of(3, 4)).all_hidden is None


def test_autocast_keeps_all_states_in_one_format(encoder, packed_of):
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        output = encoder(packed_of(3, 4), keep_all_hidden=True)
    assert {state.dtype for state in output.all_hidden} == {torch.bfloat16}


def test_idle_rows_change_nothing(encoder, packed_of):
    initialise(encoder, initializer_range=0.1, generator=torch.Generator().manual_seed(0))
    batch = packed_of(33, 20, 20, 7, 1)
    single = alone(batch, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hidden = encoder(batch).hidden
        expected = encoder(single).hidden
    assert len(hidden) == 81
    assert (hidden[:33] - expected).abs().max() < 0.05 * expected.abs().max()
    encoder.zero_grad()
    weights = torch.randn(81, CONFIG.hidden_size, generator=torch.Generator().manual_seed(1))
    (hidden * weights).sum().backward()
    exact = encoder(batch).hidden
    rounded = encoder.blocks[0].feedforward.up.weight.grad.clone()
    encoder.zero_grad()
    (exact * weights).sum().backward()
    full = encoder.blocks[0].feedforward.up.weight.grad
    assert (rounded - full).norm() < 0.1 * full.norm()


def test_padded_refuses_an_empty_row(encoder):
    ids = torch.ones(2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="at least one position"):
        encoder.padded(ids, torch.tensor([[1, 1, 0], [0, 0, 0]]))


def test_pooling_without_a_pooler_is_refused(packed_of):
    encoder, batch = Encoder(CONFIG, pooler=False), packed_of(3)
    with pytest.raises(ValueError, match="no pooler"):
        encoder.pool(encoder(batch), batch)
    with pytest.raises(ValueError, match="no pooler"):
        encoder.pooled(batch)
    ids = torch.ones(2, 3, dtype=torch.long)
    hidden, pooled = encoder.padded(ids, torch.ones_like(ids))
    assert hidden.shape == (2, 3, CONFIG.hidden_size)
    assert pooled is None


def test_heads_that_do_not_divide_the_width_are_a_configuration_error():
    with pytest.raises(ConfigError, match="num_heads 5"):
        validate(EncoderConfig, {"vocab_size": 9, "num_heads": 5}, where="test")


def test_masked_model_predicts_chosen_positions_only_with_tied_weights(encoder, packed_of):
    model = MaskedLanguageModel(encoder)
    positions, labels = torch.tensor([1, 4, 6]), torch.tensor([7, 8, 9])
    batch = dataclasses.replace(
        packed_of(5, 4), targets={"masked_positions": positions, "masked_labels": labels}
    )
    logits = model(batch)
    assert logits.shape == (3, CONFIG.vocab_size)
    term = model.loss(batch)
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    torch.testing.assert_close(term.total, expected)
    assert term.count == 3
    term.total.backward()
    rows_touched = model.encoder.embeddings.words.weight.grad.abs().sum(dim=1) > 0
    assert bool(rows_touched.all()), "the output matrix is the embedding: every row has a gradient"
    assert not any("decoder" in name for name in model.state_dict())


def test_correct_guesses_are_counted(encoder, packed_of):
    model = MaskedLanguageModel(encoder).eval()
    positions = torch.tensor([0, 3])
    batch = dataclasses.replace(packed_of(5), targets={"masked_positions": positions})
    best = model(batch).argmax(-1)
    batch.targets["masked_labels"] = torch.stack([best[0], (best[1] + 1) % 50])
    term, correct = model.score(batch)
    assert (correct, term.count) == (1, 2)


@pytest.mark.parametrize("num_segments", [0, 1])
def test_models_without_two_segments_take_pairs(packed_of, num_segments):
    torch.manual_seed(0)
    encoder = Encoder(CONFIG.model_copy(update={"num_segments": num_segments})).eval()
    pair = packed_of(6, 9, num_segments=2, vocab_size=CONFIG.vocab_size)
    assert pair.type_ids.any()
    with torch.no_grad():
        told = encoder(pair).hidden
        alike = encoder(replace(pair, type_ids=torch.zeros_like(pair.type_ids))).hidden
    assert torch.equal(told, alike)
