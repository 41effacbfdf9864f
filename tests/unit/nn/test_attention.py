import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from erya.nn import attention_matmul
from erya.nn.attention import SelfAttention, attend
from erya.nn.dropout import keep_bits, keep_scale
from erya.nn.layout import layout_of

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
    out = attend(ours, layout_of(packed_of(*lengths)), num_heads=num_heads)
    expected = by_sequence(theirs, lengths, num_heads)
    torch.testing.assert_close(out, expected)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_gradient_under_dropout_is_that_of_the_same_mask(packed_of, lengths):
    layout, heads, prob = layout_of(packed_of(*lengths)), 2, 0.3
    qkv = torch.randn(sum(lengths), 24, requires_grad=True)
    torch.manual_seed(3)
    out = attention_matmul.attend(qkv, layout, num_heads=heads, dropout_prob=prob)
    out.square().sum().backward()

    torch.manual_seed(3)
    again = qkv.detach().clone().requires_grad_()
    rows = []
    for group in layout.groups:
        cells = again if group.rows is None else again[group.rows]
        query, key, value = cells.view(group.num_sequences, group.length, 3, heads, 4).permute(2, 0, 3, 1, 4)
        scores = query @ key.mT / 2.0
        if group.key_bias is not None:
            scores = scores + group.key_bias[:, None]
        probs = scores.softmax(-1)
        shape = torch.Size([group.num_sequences * heads, group.length, group.length])
        keep = keep_bits(shape, prob, dtype=torch.float32).view_as(probs)
        dropped = probs * (keep != 0) * keep_scale(prob)
        rows.append((dropped @ value).transpose(1, 2).reshape(-1, 8))
    expected = torch.cat(rows)
    expected = expected if layout.places is None else expected[layout.places]
    torch.testing.assert_close(out, expected)
    expected.square().sum().backward()
    torch.testing.assert_close(qkv.grad, again.grad)


def test_bfloat16_stays_near_float32(packed_of):
    lengths = (64, 50, 9)
    torch.manual_seed(0)
    qkv = torch.randn(sum(lengths), 3 * 32)
    layout = layout_of(packed_of(*lengths))
    exact = attend(qkv, layout, num_heads=2)
    rounded = attend(qkv.bfloat16(), layout, num_heads=2)
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().max() < 0.03


def test_a_backend_that_cannot_says_why(packed_of):
    layout = layout_of(packed_of(4))
    with pytest.raises(ValueError, match="runs on cuda, not on cpu"):
        attend(torch.randn(4, 12), layout, num_heads=1, backend="varlen")


def test_varlen_declares_that_it_has_no_dropout():
    from erya.nn.attention import BACKENDS

    fake = torch.empty(4, 12, dtype=torch.bfloat16, device="meta")
    backend = BACKENDS["varlen"]
    relaxed = type(backend)(backend.attend, dropout=False, devices=("meta",), dtypes=backend.dtypes)
    assert relaxed.refusal(fake, 0.0) is None
    assert "no dropout" in relaxed.refusal(fake, 0.1)


@pytest.mark.gpu
@pytest.mark.parametrize("lengths", LENGTHS)
def test_varlen_kernel_equals_matmul_on_cuda(packed_of, lengths):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    batch = packed_of(*lengths)
    layout = layout_of(batch)
    layout = type(layout)(layout.groups, layout.places, layout.bounds.cuda(), layout.max_length)
    qkv = torch.randn(sum(lengths), 3 * 64, device="cuda", dtype=torch.bfloat16)
    varlen = attend(qkv, layout, num_heads=2, backend="varlen")
    exact = by_sequence(qkv.float(), lengths, 2)
    assert (varlen.float() - exact).abs().max() < 0.03


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="5 heads"):
        SelfAttention(12, 5)
