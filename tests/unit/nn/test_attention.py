import gc
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from erya.nn import attention_matmul
from erya.nn.attention import Demand, SelfAttention, attend
from erya.nn.dropout import keep_bits, keep_scale
from erya.nn.layout import layout_of
from erya.nn.relative import SinusoidDistances

LENGTHS = [(6,), (5, 5, 5), (12, 3, 11, 1, 7, 12)]


def by_sequence(qkv, lengths, num_heads):
    """The definition: one sequence after another."""
    outs = []
    for part in qkv.split(lengths):
        query, key, value = part.view(len(part), 3, num_heads, -1).permute(1, 2, 0, 3)
        outs.append(scaled_dot_product_attention(query, key, value).transpose(0, 1).reshape(len(part), -1))
    return torch.cat(outs)


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("num_heads", [1, 3])
def test_equals_attention_sequence_by_sequence_with_its_gradient(packed_of, lengths, num_heads):
    torch.manual_seed(0)
    ours = torch.randn(sum(lengths), 3 * 24, dtype=torch.float64, requires_grad=True)
    theirs = ours.detach().clone().requires_grad_()
    weights = torch.randn(sum(lengths), 24, dtype=torch.float64)
    out = attend(ours, layout_of(packed_of(*lengths)), Demand(num_heads))
    expected = by_sequence(theirs, lengths, num_heads)
    torch.testing.assert_close(out, expected)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


def under_dropout(qkv, layout, num_heads, prob, draw):
    """The definition, differentiated by autograd; `draw` gives the mask for each group's probabilities."""
    rows = []
    for group in layout.groups:
        cells = qkv if group.rows is None else qkv[group.rows]
        shape = (group.num_sequences, group.length, 3, num_heads, -1)
        query, key, value = cells.view(shape).permute(2, 0, 3, 1, 4)
        scores = query @ key.mT / query.shape[-1] ** 0.5
        if group.key_bias is not None:
            scores = scores + group.key_bias[:, None]
        probs = scores.softmax(-1)
        keep = draw(torch.Size([group.num_sequences * num_heads, group.length, group.length]))
        dropped = probs * (keep != 0).view_as(probs) * keep_scale(prob)
        rows.append((dropped @ value).transpose(1, 2).reshape(group.num_sequences * group.length, -1))
    joined = torch.cat(rows)
    return joined if layout.places is None else joined[layout.places]


def assert_gradient_is_that_of_the_mask(qkv, layout, prob, draw):
    torch.manual_seed(3)
    out = attention_matmul.attend(qkv, layout, num_heads=2, dropout_prob=prob)
    out.square().sum().backward()
    torch.manual_seed(3)
    again = qkv.detach().clone().requires_grad_()
    expected = under_dropout(again, layout, 2, prob, draw)
    expected.square().sum().backward()
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(qkv.grad, again.grad)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradient_under_dropout_is_that_of_the_same_mask(packed_of, lengths):
    qkv = torch.randn(sum(lengths), 24, requires_grad=True)
    assert_gradient_is_that_of_the_mask(
        qkv, layout_of(packed_of(*lengths)), 0.3, lambda shape: keep_bits(shape, 0.3, dtype=torch.float32)
    )


@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradient_under_dropout_with_a_mask_of_booleans(packed_of, lengths, monkeypatch):
    def draw(shape):
        return torch.rand(shape) >= 0.3

    monkeypatch.setattr(attention_matmul, "_draw", lambda probs, prob: draw(probs.shape))
    qkv = torch.randn(sum(lengths), 24, requires_grad=True)
    assert_gradient_is_that_of_the_mask(qkv, layout_of(packed_of(*lengths)), 0.3, draw)


def test_bfloat16_stays_near_float32(packed_of):
    lengths = (64, 50, 9)
    torch.manual_seed(0)
    qkv = torch.randn(sum(lengths), 3 * 32)
    layout = layout_of(packed_of(*lengths))
    exact = attend(qkv, layout, Demand(2))
    rounded = attend(qkv.bfloat16(), layout, Demand(2))
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().max() < 0.03


def test_a_backend_that_cannot_says_why(packed_of):
    layout = layout_of(packed_of(4))
    with pytest.raises(ValueError, match="runs on cuda, not on cpu"):
        attend(torch.randn(4, 12), layout, Demand(1), backend="varlen")


def test_varlen_declares_that_it_has_no_dropout(packed_of):
    from erya.nn.attention import BACKENDS

    fake = torch.empty(4, 12, dtype=torch.bfloat16, device="meta")
    backend, layout = BACKENDS["varlen"], layout_of(packed_of(4))
    relaxed = type(backend)(backend.attend, dropout=False, devices=("meta",), dtypes=backend.dtypes)
    assert relaxed.refusal(fake, layout, Demand(1)) is None
    assert "no dropout" in relaxed.refusal(fake, layout, Demand(1, 0.1))


@pytest.fixture
def cuda_layout_of(packed_of):
    """Builds the layout of a batch of these lengths on a CUDA device."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")

    def build(*lengths):
        batch = packed_of(*lengths)
        moved = {name: getattr(batch, name).cuda() for name in ("ids", "type_ids", "positions", "bounds")}
        return layout_of(replace(batch, **moved))

    return build


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", LENGTHS)
def test_varlen_kernel_equals_matmul_on_cuda(cuda_layout_of, lengths):
    qkv = torch.randn(sum(lengths), 3 * 64, device="cuda", dtype=torch.bfloat16)
    varlen = attend(qkv, cuda_layout_of(*lengths), Demand(2), backend="varlen")
    exact = by_sequence(qkv.float(), lengths, 2)
    assert (varlen.float() - exact).abs().max() < 0.03


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradient_of_the_varlen_kernel_equals_that_of_matmul_on_cuda(cuda_layout_of, lengths):
    torch.manual_seed(0)
    layout = cuda_layout_of(*lengths)
    qkv = torch.randn(sum(lengths), 3 * 64, device="cuda", dtype=torch.bfloat16, requires_grad=True)
    exact = qkv.detach().float().requires_grad_()
    weights = torch.randn(sum(lengths), 64, device="cuda")
    for given, backend in ((qkv, "varlen"), (exact, "matmul")):
        (attend(given, layout, Demand(2), backend=backend).float() * weights).sum().backward()
    assert (qkv.grad.float() - exact.grad).abs().max() < 0.02 * exact.grad.abs().max()


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradient_under_dropout_is_that_of_the_same_mask_on_cuda(cuda_layout_of, lengths):
    def draw(shape):
        return attention_matmul._draw(torch.empty(shape, device="cuda"), 0.3)

    qkv = torch.randn(sum(lengths), 24, device="cuda", requires_grad=True)
    assert_gradient_is_that_of_the_mask(qkv, cuda_layout_of(*lengths), 0.3, draw)


@pytest.mark.gpu
@pytest.mark.parametrize("prob", [0.1, 0.5])
def test_the_mask_on_cuda_drops_the_stated_share(prob):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    torch.manual_seed(0)
    probs = torch.ones(100, 71, 71, device="cuda", dtype=torch.bfloat16)
    keep = attention_matmul._draw(probs, prob)
    assert keep.dtype == torch.bool and keep.shape == probs.shape
    assert keep.float().mean().item() == pytest.approx(1 - prob, abs=3e-3)
    kept = attention_matmul._kept(probs, keep)
    assert kept.dtype == torch.bfloat16
    assert (kept.float() * keep_scale(prob)).mean().item() == pytest.approx(1.0, abs=1e-2)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="5 heads"):
        SelfAttention(12, 5)


def test_relative_positions_keep_two_squares_for_the_gradient(packed_of):
    """The probabilities, and what dropout left of them; not the scores on their way, no mask of dropout."""
    torch.manual_seed(0)
    length, kept = 64, {}
    # What other tests of this process left alive; held, so that no new tensor takes an id of theirs.
    others = {id(tensor): tensor for tensor in gc.get_objects() if type(tensor) is torch.Tensor}

    def keep(tensor):
        if id(tensor) not in others and tensor.dtype != torch.int64 and tensor.numel() >= 2 * length * length:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    demand = Demand(2, dropout_prob=0.2, relative=SinusoidDistances(6, 5), window=20)
    qkv = torch.randn(length, 36, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = attend(qkv, layout_of(packed_of(length)), demand)
    for tensor in gc.get_objects():
        if type(tensor) is torch.Tensor:
            keep(tensor)
    assert len(kept) == 2 and out.requires_grad
