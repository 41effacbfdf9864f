"""The masked language model's loss without its logits, and rows of the vocabulary that are no token's."""

import dataclasses

import pytest
import torch
from torch.nn.functional import cross_entropy

from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel, padded_rows, silence_rows

PIECES = 50


@pytest.fixture
def model():
    config = EncoderConfig(
        vocab_size=padded_rows(PIECES), hidden_size=24, num_layers=2, num_heads=3, intermediate_size=40,
        max_positions=64, embedding_size=10,
    )  # fmt: skip
    built = MaskedLanguageModel(Encoder(config, pooler=False)).eval()
    initialise(built, initializer_range=0.5, generator=torch.Generator().manual_seed(0))
    return built


@pytest.fixture
def batch(packed_of):
    positions, labels = torch.tensor([1, 4, 6, 17]), torch.tensor([7, 49, 9, 0])
    targets = {"masked_positions": positions, "masked_labels": labels}
    return dataclasses.replace(packed_of(5, 4, 12), targets=targets)


def test_the_loss_and_its_gradients_are_those_of_the_logits(model, batch):
    cross_entropy(model(batch), batch.targets["masked_labels"], reduction="sum").backward()
    expected = {name: parameter.grad for name, parameter in model.named_parameters()}
    model.zero_grad(set_to_none=True)
    model.loss(batch).total.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-3, atol=1e-4)


def test_a_batch_without_targets_gives_zero_and_gradients_for_all(model, batch):
    none = torch.zeros(0, dtype=torch.int64)
    empty = dataclasses.replace(batch, targets={"masked_positions": none, "masked_labels": none})
    term = model.loss(empty)
    assert (term.total.item(), term.count) == (0.0, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model.loss(empty).total.backward()
    assert all(parameter.grad is not None and not parameter.grad.any() for parameter in model.parameters())
    assert int(model.score(empty)[1]) == 0


@pytest.mark.parametrize(("pieces", "rows"), [(1, 64), (64, 64), (65, 128), (21_128, 21_184)])
def test_rows_are_a_multiple_of_64(pieces, rows):
    assert padded_rows(pieces) == rows


def test_silenced_rows_are_never_predicted_and_never_learn(model, batch):
    with torch.no_grad():  # without anything done they would always win
        model.head.bias[PIECES:] = 90.0
    assert bool((model(batch).argmax(dim=-1) >= PIECES).all())
    silence_rows(model, PIECES)
    assert bool((model(batch).argmax(dim=-1) < PIECES).all())
    term = model.loss(batch)
    labels = batch.targets["masked_labels"]
    expected = cross_entropy(model(batch)[:, :PIECES], labels, reduction="sum")
    torch.testing.assert_close(term.total, expected)
    term.total.backward()
    assert not model.head.bias.grad[PIECES:].any()
    assert not model.encoder.embeddings.words.weight.grad[PIECES:].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_silenced_rows_stay_finite_in_narrow_formats(model, batch, dtype):
    silence_rows(model, PIECES)
    with torch.no_grad(), torch.autocast("cpu", dtype=dtype):
        assert bool(model(batch).isfinite().all())
