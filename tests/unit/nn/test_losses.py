import pytest
import torch
from torch.nn.functional import cross_entropy

from erya.nn.losses import summed_cross_entropy


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("rows", [1, 31, 32, 77])
def test_equals_the_definition_with_its_gradient(dtype, tolerance, rows):
    torch.manual_seed(0)
    logits = (3 * torch.randn(rows, 501)).to(dtype).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    labels = torch.randint(0, 501, (rows,))
    loss, expected = summed_cross_entropy(logits, labels), cross_entropy(exact, labels, reduction="sum")
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-5)
    (loss / rows).backward()
    (expected / rows).backward()
    torch.testing.assert_close(logits.grad.double(), exact.grad, rtol=tolerance, atol=tolerance / rows)
