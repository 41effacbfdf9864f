"""What training craft adds to a loss, against the same in plain PyTorch."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import pairwise

import pytest
import torch
from craft_learner import TOKENIZER, ToyLearner, gradients, mean_loss, tensors, toy_features, toy_learner
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.nn import functional

from erya.config import validate
from erya.data.batches import pack
from erya.errors import ConfigError
from erya.nn.packing import PackedTensors
from erya.tasks.craft.applying import crafted
from erya.tasks.craft.crafted import Crafted
from erya.tasks.craft.mixing import Mixture
from erya.tasks.craft.recipe import CraftRecipe

BATCH = tensors(toy_features())


def craft_of(learner: ToyLearner, **recipe: object) -> Crafted:
    module = crafted(
        learner,
        validate(CraftRecipe, recipe, where="the test"),
        tokenizer=TOKENIZER,
        seed=0,
        tell=lambda text: None,
    )
    assert isinstance(module, Crafted)
    return module.train()


def cross_entropy(learner: ToyLearner, batch: PackedTensors = BATCH) -> Tensor:
    return functional.cross_entropy(learner.logits(batch), batch.targets["labels"])


def words_of(learner: ToyLearner) -> nn.Embedding:
    return learner.network.encoder.embeddings.words


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-4, atol=1e-6, msg=name)


def test_nothing_switched_on_leaves_the_learner_itself() -> None:
    learner = toy_learner()
    same = crafted(learner, CraftRecipe(), tokenizer=TOKENIZER, seed=0, tell=lambda text: None)
    assert same is learner


def test_what_is_counted_is_what_is_given() -> None:
    learner = toy_learner(dropout=0.1)
    recipe = {"r_drop": {}, "adversarial": {"steps": 2}, "label_smoothing": 0.1, "dropout_samples": 2}
    module = craft_of(learner, **recipe)
    terms = module(BATCH)
    assert {term.name: term.count for term in terms} == module.counts(pack(toy_features()))
    assert max(Counter(term.name for term in terms).values()) == 1
    names = {"toy", "label_smoothing", "r_drop", "toy_adversarial", "label_smoothing_adversarial"}
    assert {term.name for term in terms} == names


def test_in_evaluation_it_is_the_learner() -> None:
    learner = toy_learner(dropout=0.1)
    module = craft_of(learner, r_drop={}, adversarial={}, label_smoothing=0.1).eval()
    with torch.no_grad():
        (term,) = module(BATCH)
        assert term.name == "toy"
        torch.testing.assert_close(module.logits(BATCH), learner.logits(BATCH), rtol=0, atol=0)


def offsets_by_hand(learner: ToyLearner, steps: int, stride: float, epsilon: float) -> Tensor:
    """FGM and PGD with a weight of an embedding for each token, which is then moved in place."""
    embedding = words_of(learner)
    kept = embedding.weight.detach().clone()
    one_each = nn.Embedding.from_pretrained(kept[BATCH.ids].clone(), freeze=False)
    numbered = PackedTensors(**{**fields_of(BATCH), "ids": torch.arange(len(BATCH.ids))})
    learner.network.encoder.embeddings.words = one_each
    begin = one_each.weight.detach().clone()
    bounds = BATCH.bounds.tolist()
    for _ in range(steps):
        learner.zero_grad()
        cross_entropy(learner, numbered).backward()
        for start, stop in pairwise(bounds):
            gradient = one_each.weight.grad[start:stop]
            one_each.weight.data[start:stop] += stride * gradient / gradient.norm()
            offset = one_each.weight.data[start:stop] - begin[start:stop]
            if offset.norm() > epsilon:
                one_each.weight.data[start:stop] = begin[start:stop] + epsilon * offset / offset.norm()
    learner.network.encoder.embeddings.words = embedding
    return one_each.weight.data - begin


def fields_of(batch: PackedTensors) -> dict[str, object]:
    return {name: getattr(batch, name) for name in batch.__dataclass_fields__}


@pytest.mark.parametrize(
    ("recipe", "steps", "stride"),
    [
        ({"epsilon": 0.7}, 1, 0.7),
        ({"epsilon": 0.7, "steps": 3, "step_size": 0.3}, 3, 0.3),
        ({"epsilon": 0.7, "steps": 4}, 4, 2.5 * 0.7 / 4),
    ],
)
def test_adversarial_training_is_that_of_plain_pytorch(
    recipe: dict[str, float], steps: int, stride: float
) -> None:
    learner = toy_learner()
    offsets = offsets_by_hand(copy.deepcopy(learner), steps, stride, 0.7)
    lengths = [part.norm() for part in offsets.split(list(BATCH.lengths))]
    assert max(lengths) <= 0.7001

    # By hand: the clean gradient, and on top of it that of the moved embeddings, as FGM's code adds them up.
    plain = copy.deepcopy(learner)
    clean = gradients(plain, cross_entropy(plain))
    handle = words_of(plain).register_forward_hook(lambda module, inputs, output: output + offsets)
    moved = gradients(plain, cross_entropy(plain))
    handle.remove()
    expected = {f"learner.{name}": clean[name] + 0.5 * moved[name] for name in clean}

    before = copy.deepcopy(learner.state_dict())
    module = craft_of(learner, adversarial={**recipe, "weight": 0.5})
    assert_same(gradients(module, mean_loss(module(BATCH))), expected)
    after = learner.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_adversary_raises_the_loss_and_is_the_same_however_a_batch_is_cut() -> None:
    module = craft_of(toy_learner(), adversarial={"epsilon": 0.3, "steps": 2})
    together = {term.name: term.total for term in module(BATCH)}
    assert together["toy_adversarial"] > together["toy"] + 0.01
    apart = [{t.name: t.total for t in module(tensors([item]))} for item in toy_features()]
    for name, total in together.items():
        torch.testing.assert_close(sum(part[name] for part in apart), total, rtol=1e-5, atol=1e-5)


def test_an_adversary_moves_frozen_embeddings_too_and_works_in_half_precision() -> None:
    module = craft_of(toy_learner(), adversarial={"epsilon": 0.3}, freeze={"embeddings": True})
    with torch.autocast("cpu", dtype=torch.bfloat16):
        terms = {term.name: term.total for term in module(BATCH)}
    assert terms["toy_adversarial"] > terms["toy"]
    mean_loss(list(module(BATCH))).backward()
    assert words_of(module.learner).weight.grad is None


def test_r_drop_is_its_formula() -> None:
    learner = toy_learner(dropout=0.2)
    module = craft_of(learner, r_drop={"weight": 3.0})
    torch.manual_seed(5)
    loss = mean_loss(module(BATCH))
    torch.manual_seed(5)
    one, other = (functional.log_softmax(learner.logits(BATCH), dim=-1) for _ in range(2))
    labels = BATCH.targets["labels"]
    assert not torch.allclose(one, other)
    supervised = 0.5 * (functional.nll_loss(one, labels) + functional.nll_loss(other, labels))
    both = [functional.kl_div(a, b.exp(), reduction="batchmean") for a, b in ((one, other), (other, one))]
    torch.testing.assert_close(loss, supervised + 3.0 * 0.5 * (both[0] + both[1]))


def test_impossible_classes_do_not_spoil_a_divergence() -> None:
    from erya.tasks.craft.distributions import divergence, unevenness

    logits = torch.tensor([[1.0, 2.0, -torch.inf], [0.5, 0.1, 0.2]], requires_grad=True)
    other = torch.tensor([[2.0, 1.0, -torch.inf], [0.5, 0.1, 0.2]])
    apart = divergence(logits.log_softmax(-1), other.log_softmax(-1))
    p, q = torch.tensor([1.0, 2.0]).softmax(-1), torch.tensor([2.0, 1.0]).softmax(-1)
    by_hand = 0.5 * ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2
    torch.testing.assert_close(apart, by_hand)
    apart.backward()
    assert torch.isfinite(logits.grad).all()
    log_probs = logits.detach().log_softmax(-1)
    by_hand = -(log_probs[0, :2].mean() + log_probs[1].mean()) / 2
    torch.testing.assert_close(unevenness(log_probs), by_hand)


def test_label_smoothing_is_torchs() -> None:
    learner = toy_learner()
    module = craft_of(learner, label_smoothing=0.2)
    labels = BATCH.targets["labels"]
    expected = functional.cross_entropy(learner.logits(BATCH), labels, label_smoothing=0.2)
    torch.testing.assert_close(mean_loss(module(BATCH)), expected)


@pytest.mark.parametrize("recipe", [{"r_drop": {}}, {"label_smoothing": 0.1}])
def test_a_head_without_distributions_is_refused(recipe: dict[str, object]) -> None:
    learner = ToyLearner(toy_learner(dropout=0.1).network, has_distributions=False)
    with pytest.raises(ConfigError, match="no distribution"):
        craft_of(learner, **recipe)(BATCH)


def test_mixup_mixes_what_goes_into_the_last_layer_and_the_truths() -> None:
    learner = toy_learner()
    module = craft_of(learner, mixup={"alpha": 0.6})
    torch.manual_seed(7)
    loss = mean_loss(module(BATCH))
    torch.manual_seed(7)
    mixture = Mixture.draw(4, alpha=0.6, device=torch.device("cpu"))
    share, partner = mixture.share, mixture.partner
    assert 0.0 < share < 1.0 and partner.tolist() != [0, 1, 2, 3]
    pooled = learner.network.encoder.pooled(BATCH)
    logits = learner.network.classifier(share * pooled + (1 - share) * pooled[partner])
    labels = BATCH.targets["labels"]
    own, other = (functional.cross_entropy(logits, truth) for truth in (labels, labels[partner]))
    torch.testing.assert_close(loss, share * own + (1 - share) * other)


def test_samples_of_dropout_share_one_run_of_the_encoder() -> None:
    learner = toy_learner(dropout=0.3)
    runs = []
    learner.network.encoder.embeddings.register_forward_hook(lambda *_: runs.append(1))
    module = craft_of(learner, dropout_samples=3)
    torch.manual_seed(3)
    loss = mean_loss(module(BATCH))
    assert len(runs) == 1
    torch.manual_seed(3)
    encoder, network = learner.network.encoder, learner.network
    pooled = encoder.pooled(BATCH)
    logits = [network.classifier(network.dropout(pooled)) for _ in range(3)]
    assert not torch.allclose(logits[0], logits[1])
    several = [functional.cross_entropy(one, BATCH.targets["labels"]) for one in logits]
    torch.testing.assert_close(loss, torch.stack(several).mean())
    assert "forward" not in vars(encoder)


@pytest.mark.parametrize(("token", "stands"), [("mask", 4), ("unk", 1)])
def test_words_are_hidden_as_often_as_asked_and_markup_never(token: str, stands: int) -> None:
    batch = tensors(toy_features([12] * 400))
    module = craft_of(toy_learner(), word_dropout={"prob": 0.3, "token": token})
    torch.manual_seed(1)
    hidden = module.hide_words(batch).ids
    words = (batch.ids != 2) & (batch.ids != 3)
    changed = hidden != batch.ids
    assert (hidden[changed] == stands).all() and not changed[~words].any()
    assert changed[words].float().mean().item() == pytest.approx(0.3, abs=0.02)
    torch.manual_seed(1)
    assert torch.equal(module.hide_words(batch).ids, hidden)
    assert not torch.allclose(mean_loss(module(batch)), cross_entropy(module.learner, batch))


@pytest.mark.parametrize(
    ("recipe", "message"),
    [({"r_drop": {}}, "no dropout"), ({"dropout_samples": 2}, "before the head's last layer")],
)
def test_comparing_dropout_where_there_is_none_is_refused(recipe: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        craft_of(toy_learner(), **recipe)


def test_dropout_of_the_encoder_is_changed_in_memory_alone() -> None:
    learner = toy_learner(dropout=0.1)
    craft_of(learner, hidden_dropout_prob=0.4, attention_dropout_prob=0.05)
    encoder = learner.network.encoder
    assert {block.dropout.prob for block in encoder.blocks} == {0.4}
    assert encoder.embeddings.dropout.prob == 0.4
    assert {block.attention.dropout_prob for block in encoder.blocks} == {0.05}
    assert learner.network.dropout.prob == 0.1 and encoder.config.dropout_prob == 0.1


def test_an_adversary_in_a_model_that_is_cut_up_is_refused() -> None:
    module = craft_of(toy_learner(), adversarial={})
    module.__class__ = type("Cut", (FSDPModule, Crafted), {})  # as torch does
    with pytest.raises(ConfigError, match=r"cut up over ranks"):
        Crafted.forward(module, BATCH)
