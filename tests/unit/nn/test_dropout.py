import pytest
import torch

from erya.nn.dropout import Dropout, drop_probs, keep_bits, keep_only, keep_scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("prob", [0.1, 0.5])
def test_drops_the_stated_share_and_keeps_the_expectation(dtype, prob):
    torch.manual_seed(0)
    x = torch.ones(1000, 501, dtype=dtype)
    dropped = Dropout(prob)(x)
    assert dropped.dtype == dtype
    assert (dropped == 0).float().mean().item() == pytest.approx(prob, abs=3e-3)
    assert dropped.float().mean().item() == pytest.approx(1.0, abs=1e-2)


def test_every_lane_of_a_draw_is_used_and_independent():
    torch.manual_seed(0)
    keep = keep_bits(torch.Size([400_000]), 0.3, dtype=torch.bfloat16).view(-1, 4).bool().float()
    assert torch.allclose(keep.mean(0), torch.full((4,), 0.7), atol=5e-3)
    correlation = torch.corrcoef(keep.T) - torch.eye(4)
    assert correlation.abs().max() < 0.01


def test_the_gradient_passes_where_the_value_passed():
    torch.manual_seed(0)
    x = torch.randn(64, 7, requires_grad=True)
    dropped = Dropout(0.25)(x)
    dropped.sum().backward()
    expected = torch.where(dropped != 0, keep_scale(0.25), 0.0)
    assert torch.equal(x.grad, expected)


def test_torch_seed_and_state_replay_the_mask():
    dropout, x = Dropout(0.4), torch.ones(33)
    torch.manual_seed(5)
    first = dropout(x)
    state = torch.get_rng_state()
    second = dropout(x)
    torch.set_rng_state(state)
    assert torch.equal(dropout(x), second)
    torch.manual_seed(5)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)


def test_outside_training_nothing_is_dropped():
    x = torch.randn(10)
    assert Dropout(0.9).eval()(x) is x


def test_strided_input_and_exact_zero_bits():
    keep = torch.tensor([[-1, 0], [0, -1]], dtype=torch.int32)
    assert torch.equal(keep_only(torch.full((2, 2), 3.5), keep), torch.tensor([[3.5, 0.0], [0.0, 3.5]]))
    torch.manual_seed(0)
    assert Dropout(0.5)(torch.ones(6, 4).T).shape == (4, 6)


def test_impossible_probability_is_refused():
    with pytest.raises(ValueError, match="a dropout probability"):
        Dropout(1.0)


def test_probabilities_lose_as_much_of_their_gradient_as_of_themselves():
    torch.manual_seed(0)
    scores = torch.randn(30, 40).masked_fill(torch.rand(30, 40) < 0.2, float("-inf")).requires_grad_()
    weights = torch.randn(30, 40)
    probs = torch.softmax(scores, dim=-1)
    kept = drop_probs(probs, 0.25)
    scale = kept.detach() / probs.detach().clamp(min=1e-30)
    assert 0.6 < float((scale > 0).float().mean()) < 0.65  # 0.75 of the 0.8 that are not 0
    found, expected = (
        torch.autograd.grad((x * weights).sum(), scores, retain_graph=True) for x in (kept, probs * scale)
    )
    torch.testing.assert_close(found, expected)
