import copy

import pytest
import torch
from torch import Tensor
from toy_objectives import tensors, toy_batch, toy_model

from erya.nn.packing import PackedTensors
from erya.pretrain.objectives.distillation import (
    LOGITS_LOSS,
    RELATIONS_LOSS,
    Distillation,
    LogitsGoal,
    RelationsGoal,
    relation_loss,
    soft_loss,
)
from erya.pretrain.objectives.masked import MaskedTraining


def plain_relations(student: Tensor, teacher: Tensor, batch: PackedTensors, heads: int) -> float:
    """The definition, one sequence, one head and one token at a time."""
    total = 0.0
    for start, stop in zip(batch.bounds[:-1].tolist(), batch.bounds[1:].tolist(), strict=True):
        for kind in range(3):
            for head in range(heads):
                probs = []
                for vectors in (student, teacher):
                    part = vectors.chunk(3, dim=1)[kind][start:stop].chunk(heads, dim=1)[head].double()
                    probs.append((part @ part.T / part.shape[1] ** 0.5).softmax(-1))
                own, wanted = probs
                total += float((wanted * (wanted.log() - own.log())).sum())
    return total / heads


@pytest.mark.parametrize("lengths", [(9, 6, 12, 5), (7, 7), (1, 19, 2)])
def test_relations_are_those_of_the_definition(lengths: tuple[int, ...]) -> None:
    batch = tensors(toy_batch(lengths) if min(lengths) > 2 else toy_batch((3, 19, 3)))
    noise = torch.Generator().manual_seed(1)
    student = torch.randn(len(batch.ids) + 3, 3 * 8, generator=noise, requires_grad=True)  # idle rows behind
    teacher = torch.randn(len(batch.ids), 3 * 12, generator=noise)
    loss = relation_loss(student, teacher, batch, num_heads=4)
    assert float(loss.detach()) == pytest.approx(plain_relations(student, teacher, batch, 4), rel=1e-5)
    loss.backward()
    assert student.grad is not None and bool(torch.isfinite(student.grad).all())
    assert float(student.grad[len(batch.ids) :].abs().sum()) == 0.0


def test_a_teacher_alike_teaches_nothing() -> None:
    batch = tensors(toy_batch())
    vectors = torch.randn(len(batch.ids), 3 * 8)
    assert float(relation_loss(vectors, vectors, batch, num_heads=2)) == pytest.approx(0.0, abs=1e-5)
    logits = torch.randn(5, 30)
    assert float(soft_loss(logits, logits, temperature=2.0)) == pytest.approx(0.0, abs=1e-5)


def test_guesses_are_those_of_the_definition() -> None:
    own, wanted = torch.randn(5, 30), torch.randn(5, 30)
    probs = (wanted / 2.0).softmax(-1)
    plain = (probs * (probs.log() - (own / 2.0).log_softmax(-1))).sum() * 4.0
    assert float(soft_loss(own, wanted, temperature=2.0)) == pytest.approx(float(plain), rel=1e-5)

    best = wanted.topk(3).indices
    probs = wanted.gather(1, best).softmax(-1)
    plain = (probs * (probs.log() - own.log_softmax(-1).gather(1, best))).sum()
    assert float(soft_loss(own, wanted, top_k=3)) == pytest.approx(float(plain), rel=1e-5)


def test_what_a_model_learns_is_what_the_projections_of_the_layers_say() -> None:
    teacher = toy_model(seed=5, hidden_size=16, num_layers=3)
    goal = RelationsGoal(weight=0.5, num_heads=8, teacher_layer=1)
    training = MaskedTraining(toy_model(), distillation=Distillation(teacher, logits=None, relations=goal))
    batch = tensors(toy_batch())
    term = next(term for term in training(batch) if term.name == RELATIONS_LOSS)

    def projected(encoder: torch.nn.Module, layer: int) -> Tensor:
        states = encoder(batch, keep_all_hidden=True).all_hidden[layer]
        return encoder.blocks[layer].attention.qkv(states)

    own, wanted = projected(training.model.encoder, 1), projected(teacher.encoder, 1)
    plain = plain_relations(own, wanted, batch, 8)
    assert float(term.total.detach()) == pytest.approx(plain, rel=1e-4) and term.weight == 0.5
    assert term.count == len(batch.ids)


def test_a_block_that_serves_several_layers_is_heard_in_the_one_that_is_meant() -> None:
    batch = tensors(toy_batch())
    shared = {"num_layers": 4, "num_groups": 1, "embedding_size": 8, "family": "albert"}
    found = []
    for layer in (0, 2, None):
        goal = RelationsGoal(num_heads=2, student_layer=layer)
        distillation = Distillation(toy_model(seed=5), logits=None, relations=goal)
        terms = MaskedTraining(toy_model(**shared), distillation=distillation)(batch)
        found.append(float(terms[1].total.detach()))
    assert len(set(found)) == 3


@pytest.mark.parametrize("top_k", [None, 4])
def test_guesses_at_masked_tokens_are_learnt(top_k: int | None) -> None:
    goal = LogitsGoal(weight=2.0, temperature=3.0, top_k=top_k)
    teacher, student = toy_model(seed=5), toy_model()
    distillation = Distillation(teacher, logits=goal, relations=None)
    training, batch = MaskedTraining(student, distillation=distillation), toy_batch()
    term = next(term for term in training(tensors(batch)) if term.name == LOGITS_LOSS)
    plain = soft_loss(student(tensors(batch)), teacher(tensors(batch)), temperature=3.0, top_k=top_k)
    assert float(term.total.detach()) == pytest.approx(float(plain.detach()), rel=1e-5)
    assert term.count == len(batch.targets["masked_labels"]) == training.counts(batch)[LOGITS_LOSS]

    plain.backward()
    wanted = [parameter.grad.clone() for parameter in student.parameters()]
    student.zero_grad()
    term.total.backward()
    for parameter, gradient in zip(student.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_a_teacher_is_neither_trained_nor_saved() -> None:
    teacher = toy_model(seed=5, dropout_prob=0.5)
    distillation = Distillation(teacher, logits=LogitsGoal(), relations=RelationsGoal(num_heads=2))
    training = MaskedTraining(toy_model(), distillation=distillation).train()
    assert not teacher.training
    assert len(list(training.parameters())) == len(list(toy_model().parameters()))
    assert copy.deepcopy(training).distillation is distillation
    batch = tensors(toy_batch())
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    torch.stack([term.total for term in training(batch)]).sum().backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    assert float(training(batch)[1].total.detach()) == float(training(batch)[1].total.detach())
