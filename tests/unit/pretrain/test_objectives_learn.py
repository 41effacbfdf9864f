"""Every objective learns a handful of sequences by heart."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from toy_objectives import tensors, toy_batch, toy_config, toy_model

from erya.models.encoder import Encoder
from erya.models.heads.replaced_token import ReplacedTokenModel
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.pretrain.objectives.distillation import Distillation, LogitsGoal, RelationsGoal
from erya.pretrain.objectives.masked import MaskedTraining
from erya.pretrain.objectives.module import ObjectiveModule
from erya.pretrain.objectives.replaced import ReplacedTraining, generator_config, share_embeddings


def masked() -> ObjectiveModule:
    return MaskedTraining(toy_model())


def pairs() -> ObjectiveModule:
    return MaskedTraining(toy_model(pairs=True))


def distilled() -> ObjectiveModule:
    goals = {"logits": LogitsGoal(), "relations": RelationsGoal(num_heads=4)}
    return MaskedTraining(
        toy_model(), masked_weight=0.0, distillation=Distillation(toy_model(seed=9), **goals)
    )


def replaced() -> ObjectiveModule:
    config = toy_config(family="electra", embedding_size=16)
    model = ReplacedTokenModel(Encoder(config, pooler=False))
    generator = MaskedLanguageModel(Encoder(generator_config(config, width=0.25), pooler=False))
    share_embeddings(generator.encoder, model.encoder)
    training = ReplacedTraining(generator, model, weight=1.0)
    initialise(training, initializer_range=0.2, generator=torch.Generator().manual_seed(3))
    return training


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """So little work costs less alone than handed out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("make", "bounds"),
    [
        (masked, {"masked_lm": 0.1}),
        (pairs, {"masked_lm": 0.1, "next_sentence": 0.1}),
        (distilled, {"teacher_logits": 0.1, "teacher_relations": 0.3}),
        (replaced, {"masked_lm": 0.6, "replaced_token": 0.2}),
    ],
)
def test_losses_fall(make: Callable[[], ObjectiveModule], bounds: dict[str, float]) -> None:
    module = make()
    batch = tensors(toy_batch(next_sentence=[0, 1, 1, 0]))
    optimiser = torch.optim.Adam(module.parameters(), lr=1e-2)
    torch.manual_seed(0)
    for _ in range(120):
        terms = module(batch)
        optimiser.zero_grad()
        torch.stack([term.total * term.weight / term.count for term in terms]).sum().backward()
        optimiser.step()
    reached = {term.name: float(term.total.detach()) / term.count for term in terms}
    assert all(reached[name] < bound for name, bound in bounds.items()), reached
