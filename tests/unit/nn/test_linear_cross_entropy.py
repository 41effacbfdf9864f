import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from erya.nn import losses
from erya.nn.losses import linear_cross_entropy, linear_cross_entropy_and_hits

VOCABULARY, WIDTH = 301, 12


@pytest.fixture(params=[1 << 25, 40 * VOCABULARY], ids=["one chunk", "chunks"], autouse=True)
def chunks(request, monkeypatch):
    monkeypatch.setattr(losses, "_CHUNK_LOGITS", request.param)


def sample(rows, dtype=torch.float32):
    noise = torch.Generator().manual_seed(rows)
    hidden = torch.randn(rows, WIDTH, generator=noise).to(dtype).requires_grad_()
    weight = torch.randn(VOCABULARY, WIDTH, generator=noise).requires_grad_()
    bias = torch.randn(VOCABULARY, generator=noise).requires_grad_()
    return hidden, weight, bias, torch.randint(0, VOCABULARY, (rows,), generator=noise)


def exact(hidden, weight, bias, labels):
    """The definition in 64 bits: the sum, and its gradients."""
    inputs = [x.detach().double().requires_grad_() for x in (hidden, weight, bias)]
    loss = cross_entropy(linear(*inputs), labels, reduction="sum")
    return loss, torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("rows", [1, 40, 97])
def test_equals_the_definition_with_its_gradients(rows):
    inputs = sample(rows)
    loss = linear_cross_entropy(*inputs)
    expected, grads = exact(*inputs)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-6, atol=1e-6)
    (loss * 0.25).backward()
    for given, wanted in zip(inputs[:3], grads, strict=True):
        torch.testing.assert_close(given.grad.double(), 0.25 * wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_under_autocast_gradients_have_the_format_of_what_they_are_of(dtype):
    hidden, weight, bias, labels = sample(97, dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = linear_cross_entropy(hidden, weight, bias, labels)
    expected, grads = exact(hidden, weight, bias, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=5e-3, atol=0.0)
    (loss / 97).backward()
    assert hidden.grad.dtype == dtype and weight.grad.dtype == bias.grad.dtype == torch.float32
    for given, wanted in zip((hidden, weight, bias), grads, strict=True):
        assert (given.grad * 97 - wanted).norm() < 0.02 * wanted.norm()


def test_no_matrix_of_all_logits_is_kept_or_made(monkeypatch):
    monkeypatch.setattr(losses, "_CHUNK_LOGITS", 40 * VOCABULARY)
    kept, made = [], []
    chunked = losses._chunks_of_logits
    monkeypatch.setattr(
        losses, "_chunks_of_logits",
        lambda *given: (made.append(len(logits)) or (rows, logits) for rows, logits in chunked(*given)),
    )  # fmt: skip
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.shape) or x, lambda x: x):
        linear_cross_entropy(*sample(97))
    assert made == [40, 40, 17]
    assert set(kept) == {(97, WIDTH), (VOCABULARY, WIDTH), (VOCABULARY,)}


def test_tied_weights_add_their_gradients_up():
    _, weight, bias, labels = sample(97)
    ids = torch.arange(97)
    (linear_cross_entropy(weight[ids] * 2.0, weight, bias, labels) / 97).backward()
    own = weight.detach().clone().requires_grad_()
    cross_entropy(linear(own[ids] * 2.0, own, bias.detach()), labels).backward()
    torch.testing.assert_close(weight.grad, own.grad, rtol=1e-4, atol=1e-6)


def test_without_rows_the_loss_is_zero_and_has_gradients():
    hidden, weight, bias, labels = sample(0)
    loss = linear_cross_entropy(hidden, weight, bias, labels)
    assert loss.item() == 0.0
    loss.backward()
    assert not weight.grad.any() and not bias.grad.any() and hidden.grad.shape == (0, WIDTH)


def test_without_gradients_none_are_worked_out(monkeypatch):
    inputs = sample(97)
    expected = linear_cross_entropy(*inputs)
    monkeypatch.setattr(losses, "_loss_with_gradients", None)
    with torch.no_grad():
        torch.testing.assert_close(linear_cross_entropy(*inputs), expected.detach())
    torch.testing.assert_close(linear_cross_entropy(*(x.detach() for x in inputs)), expected.detach())


def test_its_gradient_is_taken_once():
    loss = linear_cross_entropy(*sample(5))
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("autocast", [False, True])
def test_hits_are_rows_whose_label_is_likeliest(autocast):
    hidden, weight, bias, labels = sample(97)
    best = linear(hidden, weight, bias).argmax(dim=-1)
    labels = torch.where(torch.arange(97) % 3 == 0, best, (best + 1) % VOCABULARY)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        total, hits = linear_cross_entropy_and_hits(hidden, weight, bias, labels)
    assert int(hits) == 33 or (autocast and abs(int(hits) - 33) <= 3)
    torch.testing.assert_close(total.double(), exact(hidden, weight, bias, labels)[0], rtol=5e-3, atol=0.0)
    assert not total.requires_grad
