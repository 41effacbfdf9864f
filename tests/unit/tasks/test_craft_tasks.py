"""Training craft around the learner of every task that has truths of single texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from craft_learner import TOKENIZER, gradients, mean_loss, tensors, toy_features, toy_learner

from erya.config import validate
from erya.data.batches import pack
from erya.data.features import Features
from erya.errors import ConfigError
from erya.models.encoder import Encoder
from erya.models.heads.chain import ChainClassifier
from erya.models.heads.pairs import SpanPairModel
from erya.models.heads.sequence import SequenceClassifier
from erya.models.heads.spans import SpanModel
from erya.models.heads.tokens import TokenClassifier
from erya.models.initialise import initialise
from erya.tasks.answer.head import AnswerLearner
from erya.tasks.classify.head import ClassifyLearner, MultiLabelLearner
from erya.tasks.craft.applying import crafted
from erya.tasks.craft.recipe import CraftRecipe
from erya.tasks.match.head import MatchLearner
from erya.tasks.tag.head import ChainLearner, SpanPairLearner, TokenLearner

WEIGHTS = torch.tensor([1.0, 2.0, 0.5])
LEARNERS: dict[str, Callable[[Encoder], Any]] = {
    "classify": lambda e: ClassifyLearner(
        SequenceClassifier(e, 3, dropout_prob=0.2), class_weights=WEIGHTS, focal_gamma=2.0
    ),
    "labels": lambda e: MultiLabelLearner(SequenceClassifier(e, 3, dropout_prob=0.2)),
    "match": lambda e: MatchLearner(SequenceClassifier(e, 3, dropout_prob=0.2)),
    "tag": lambda e: TokenLearner(TokenClassifier(e, 3, dropout_prob=0.2)),
    "chain": lambda e: ChainLearner(ChainClassifier(e, 3, dropout_prob=0.2)),
    "pairs": lambda e: SpanPairLearner(SpanPairModel(e, 2, head_size=4, dropout_prob=0.2)),
    "answer": lambda e: AnswerLearner(SpanModel(e)),
}
EVERYTHING = {"r_drop": {}, "label_smoothing": 0.1, "adversarial": {"steps": 2}, "word_dropout": {}}


def features_of(name: str) -> list[Features]:
    return [_with_truth(item, name, number) for number, item in enumerate(toy_features())]


def _with_truth(item: Features, name: str, number: int) -> Features:
    length, rows = len(item.ids), {}
    targets: dict[str, Any] = {}
    if name in ("classify", "match"):
        return item
    if name == "labels":
        targets["labels"] = np.array([1, 0, number % 2], dtype=np.float32)
    elif name in ("tag", "chain"):
        rows["tags"] = np.array([-100, *(np.arange(length - 2) % 3), -100])
    elif name == "pairs":
        rows["entities"] = np.array([[1, 2, 0], [1, 3, 1]], dtype=np.int64)[: number % 3]
        targets["num_entities"] = np.int64(len(rows["entities"]))
    else:
        # Of one text the answer cannot be learnt.
        targets["answer"] = np.array([-1, -1] if number == 1 else [2, 3])
        rows["touchable"] = np.arange(length) != 1
    return replace(item, targets=targets, row_targets=rows)


def craft(name: str, **recipe: object) -> torch.nn.Module:
    learner = LEARNERS[name](toy_learner(dropout=0.1).network.encoder)
    generator = torch.Generator().manual_seed(0)
    initialise(learner.network, initializer_range=0.3, generator=generator)
    asked = validate(CraftRecipe, recipe, where="the test")
    module = crafted(learner, asked, tokenizer=TOKENIZER, seed=0, tell=lambda text: None)
    assert isinstance(module, torch.nn.Module)
    return module.train()


@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "pairs"])
def test_every_head_with_distributions_takes_everything(name: str) -> None:
    samples = {} if name == "answer" else {"dropout_samples": 2}  # its head drops nothing
    module, features = craft(name, **EVERYTHING, **samples), features_of(name)
    terms = module(tensors(features))
    assert {term.name: term.count for term in terms} == dict(module.counts(pack(features)))
    found = gradients(module, mean_loss(terms))
    assert all(torch.isfinite(gradient).all() for gradient in found.values())
    assert any("embeddings.words" in key for key in found)
    totals = {term.name: term.total.item() for term in terms}
    assert totals["r_drop"] > 0 and totals["label_smoothing"] > 0


@pytest.mark.parametrize("name", LEARNERS)
def test_an_adversary_is_a_match_for_every_head(name: str) -> None:
    module = craft(name, adversarial={"epsilon": 0.5}, hidden_dropout_prob=0.0, attention_dropout_prob=0.0)
    for layer in module.modules():
        if hasattr(layer, "prob"):
            layer.prob = 0.0
    clean, moved = module(tensors(features_of(name)))
    assert moved.name == f"{clean.name}_adversarial" and moved.total > clean.total


def test_pairs_of_tokens_have_samples_but_no_distribution() -> None:
    batch = tensors(features_of("pairs"))
    assert len(craft("pairs", dropout_samples=3, lora={"rank": 2})(batch)) == 1
    with pytest.raises(ConfigError, match="no distribution"):
        craft("pairs", r_drop={})(batch)


@pytest.mark.parametrize("name", ["classify", "labels", "match"])
def test_one_truth_a_sequence_is_mixed(name: str) -> None:
    module, features = craft(name, mixup={"alpha": 1.0}, label_smoothing=0.1), features_of(name)
    terms = module(tensors(features))
    assert {term.name: term.count for term in terms} == dict(module.counts(pack(features)))
    assert torch.isfinite(mean_loss(terms))
