from contextlib import nullcontext

import pytest
import torch
from features_source import FeaturesSource
from toy_model import ToyTrainable, toy_features, toy_recipe

from erya.data.batches import PackedBatch
from erya.data.plan import Share
from erya.train.optimisers.build import build_optimiser
from erya.train.parallel import whole
from erya.train.step import StepResult, take_step


def step(trainable: ToyTrainable, batches: list[PackedBatch], *, clip_norm: float = 1.0) -> StepResult:
    optimiser = build_optimiser(trainable.module, toy_recipe().train)
    return take_step(
        trainable,
        batches,
        optimiser,
        spread=whole(trainable.module),
        autocast=nullcontext(),
        clip_norm=clip_norm,
        seed=1,
    )


def batches(micro_batch_tokens: int | None) -> list[PackedBatch]:
    source = FeaturesSource(toy_features(), batch_tokens=100)
    return source.batch(0, 0, Share(micro_batch_tokens=micro_batch_tokens))


@pytest.mark.parametrize("micro_batch_tokens", [8, 21, 50])
def test_accumulated_micro_batches_equal_one_batch(micro_batch_tokens: int) -> None:
    whole, split = ToyTrainable(dropout=0.0), ToyTrainable(dropout=0.0)
    parts = batches(micro_batch_tokens)
    assert len({part.num_sequences for part in parts}) > 1, "uneven parts, or a mean of means would pass"
    expected, result = step(whole, batches(None)), step(split, parts)
    assert result.loss == pytest.approx(expected.loss, rel=1e-6)
    assert result.grad_norm == pytest.approx(expected.grad_norm, rel=1e-5)
    for one, other in zip(whole.module.parameters(), split.module.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_dropout_depends_on_the_seed_of_the_step_alone() -> None:
    torch.manual_seed(5)
    first = step(ToyTrainable(), batches(None))
    torch.rand(100)
    assert step(ToyTrainable(), batches(None)) == first


def test_a_long_gradient_is_shortened() -> None:
    trainable = ToyTrainable(dropout=0.0)
    result = step(trainable, batches(None), clip_norm=0.01)
    gradients = [parameter.grad for parameter in trainable.module.parameters()]
    assert result.grad_norm > 0.01
    assert torch.nn.utils.get_total_norm(gradients).item() == pytest.approx(0.01, rel=1e-3)


def test_a_loss_that_is_not_finite_leaves_the_weights_alone() -> None:
    trainable = ToyTrainable(poison=range(1))
    before = [parameter.clone() for parameter in trainable.module.parameters()]
    assert step(trainable, batches(None)).fault == "the loss is nan"
    assert all(torch.equal(a, b) for a, b in zip(before, trainable.module.parameters(), strict=True))


def test_the_fault_names_the_gradient() -> None:
    trainable = ToyTrainable()
    trainable.module.norm.weight.register_hook(lambda gradient: gradient * float("inf"))
    assert step(trainable, batches(None)).fault == "the gradient of norm.weight is not finite"


def test_the_fault_names_the_weights() -> None:
    trainable = ToyTrainable()
    with torch.no_grad():
        trainable.module.norm.weight[0] = float("nan")
    assert step(trainable, batches(None)).fault == "the weights norm.weight are not finite"


def test_norms_and_biases_do_not_decay() -> None:
    module = ToyTrainable().module
    decaying, steady = build_optimiser(module, toy_recipe(weight_decay=0.1).train).param_groups
    assert {id(p) for p in decaying["params"]} == {id(module.words.weight), id(module.classifier.weight)}
    assert (decaying["weight_decay"], steady["weight_decay"]) == (0.1, 0.0)


def test_a_term_under_another_name_than_its_count_is_our_bug() -> None:
    trainable = ToyTrainable()
    trainable.counts = lambda batch: {"labels": batch.num_sequences}  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="label"):
        step(trainable, batches(None))
