"""The loss against torch's own, and what its options do."""

import pytest

torch = pytest.importorskip("torch")

from erya.tasks.classify.loss import balanced_weights, classification_loss  # noqa: E402


def data(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(9, 4, generator=generator), torch.randint(4, (9,), generator=generator)


def test_is_summed_cross_entropy():
    logits, labels = data()
    term = classification_loss(logits, labels)
    assert term.count == 9 and term.name == "classify"
    torch.testing.assert_close(term.total, torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))


def test_class_weights_scale_each_label():
    logits, labels = data()
    weights = torch.tensor([0.5, 1.0, 2.0, 3.0])
    expected = torch.nn.functional.cross_entropy(logits, labels, weight=weights, reduction="sum")
    torch.testing.assert_close(classification_loss(logits, labels, class_weights=weights).total, expected)


def test_focal_loss_forgets_what_is_already_right():
    sure, unsure = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.1, 0.0]])
    label = torch.tensor([0])
    for logits, share in ((sure, 1e-6), (unsure, 0.3)):
        plain = classification_loss(logits, label).total
        focal = classification_loss(logits, label, focal_gamma=2.0).total
        assert (focal / plain < share) == (share == 1e-6) or focal < plain
    probability = torch.softmax(unsure, -1)[0, 0]
    expected = (1 - probability) ** 2 * -probability.log()
    torch.testing.assert_close(classification_loss(unsure, label, focal_gamma=2.0).total, expected)


def test_focal_gradient_is_finite_where_the_model_is_certain():
    logits = torch.tensor([[80.0, -80.0]], requires_grad=True)
    classification_loss(logits, torch.tensor([0]), focal_gamma=0.5).total.backward()
    assert torch.isfinite(logits.grad).all()


def test_balanced_weights_equal_scikit_learn():
    truths = ["a"] * 6 + ["b"] * 3 + ["c"]
    weights = balanced_weights(("a", "b", "c"), truths)
    assert sum(weights[("a", "b", "c").index(t)] for t in truths) == pytest.approx(len(truths))
    reference = pytest.importorskip("sklearn.utils.class_weight").compute_class_weight
    expected = reference("balanced", classes=__import__("numpy").array(["a", "b", "c"]), y=truths)
    assert weights.tolist() == pytest.approx(expected.tolist())


def test_a_class_that_is_held_out_whole_weighs_as_usual():
    assert balanced_weights(("a", "b", "c"), ["a", "a", "a", "c"]).tolist() == pytest.approx([2 / 3, 1, 2])
