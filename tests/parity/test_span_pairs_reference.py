"""The span-pair scorer against the published formulas written out pair by pair."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from erya.nn.span_pairs import SpanPairScorer, find_spans, span_loss

LENGTHS = (5, 1, 7, 3)
TYPES, WIDTH, HEAD = 3, 10, 6
SPANS = [(0, 0, 4, 2), (0, 1, 2, 2), (0, 1, 2, 0), (1, 0, 0, 1), (2, 2, 6, 0), (2, 6, 6, 0)]
BUDGETS = (1, 20, 60, 10_000)


def scorer() -> SpanPairScorer:
    module = SpanPairScorer(WIDTH, TYPES, head_size=HEAD, max_positions=9)
    generator = torch.Generator().manual_seed(2)
    for parameter in module.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    return module


def states() -> tuple[torch.Tensor, torch.Tensor]:
    hidden = torch.randn(sum(LENGTHS), WIDTH, generator=torch.Generator().manual_seed(1))
    return hidden, torch.cat([torch.arange(length) for length in LENGTHS])


def turned(vector: torch.Tensor, position: int) -> torch.Tensor:
    """Neighbouring numbers turned by an angle that grows with the position."""
    out = torch.zeros_like(vector)
    for pair in range(HEAD // 2):
        angle = torch.tensor(position * 10000 ** (-2 * pair / HEAD))
        a, b = vector[2 * pair], vector[2 * pair + 1]
        out[2 * pair] = a * angle.cos() - b * angle.sin()
        out[2 * pair + 1] = a * angle.sin() + b * angle.cos()
    return out


def scores_of(module: SpanPairScorer, hidden: torch.Tensor) -> list[torch.Tensor]:
    """Of each sequence the scores of all pairs, shape (T, L, L)."""
    found, start = [], 0
    for length in LENGTHS:
        both = module.ends(hidden[start : start + length])
        bias = module.types(both) / 2
        table = [
            [
                turned(both[i, :HEAD], i) @ turned(both[j, HEAD:], j) / HEAD**0.5
                + bias[i, :TYPES]
                + bias[j, TYPES:]
                for j in range(length)
            ]
            for i in range(length)
        ]
        found.append(torch.stack([torch.stack(row) for row in table]).permute(2, 0, 1))
        start += length
    return found


def truth() -> tuple[torch.Tensor, torch.Tensor]:
    counts = np.bincount([span[0] for span in SPANS], minlength=len(LENGTHS))
    return torch.tensor([span[1:] for span in SPANS]), torch.from_numpy(counts)


@pytest.mark.parametrize("budget", BUDGETS)
def test_loss_and_gradients(budget: int) -> None:
    module = scorer()
    hidden, positions = states()
    wanted = torch.zeros(())
    for number, scores in enumerate(scores_of(module, hidden)):
        for kind in range(TYPES):
            right = [(i, j) for s, i, j, t in SPANS if s == number and t == kind]
            size = scores.shape[1]
            wrong = [(i, j) for i in range(size) for j in range(i, size) if (i, j) not in right]
            for pairs, sign in ((right, -1), (wrong, 1)):
                logs = [torch.zeros(()), *(sign * scores[kind, i, j] for i, j in pairs)]
                wanted = wanted + torch.stack(logs).logsumexp(0)
    grads = torch.autograd.grad(wanted, list(module.parameters()))
    spans, counts = truth()
    found = span_loss(module(hidden, positions), spans, counts, LENGTHS, TYPES, pairs_at_a_time=budget)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    for own, grad in zip(torch.autograd.grad(found, list(module.parameters())), grads, strict=True):
        assert torch.allclose(own, grad, atol=1e-4)


@pytest.mark.parametrize("budget", BUDGETS)
def test_pairs_above_a_threshold(budget: int) -> None:
    module = scorer()
    hidden, positions = states()
    found = find_spans(module(hidden, positions), LENGTHS, TYPES, threshold=0.7, pairs_at_a_time=budget)
    for rows, scores in zip(found, scores_of(module, hidden), strict=True):
        size = scores.shape[1]
        wanted = {
            (i, j, t): scores[t, i, j].item()
            for t in range(TYPES)
            for i in range(size)
            for j in range(i, size)
            if scores[t, i, j] > 0.7
        }
        assert len(rows) == len(wanted)
        for i, j, t, score in rows:
            assert score == pytest.approx(wanted[int(i), int(j), int(t)], rel=1e-4)
    assert any(len(rows) for rows in found)


def test_nothing_to_find_and_nothing_wrong() -> None:
    """A batch without spans, and a sequence all of whose pairs are spans: finite, with gradients."""
    module = scorer()
    hidden, positions = states()
    none = torch.zeros(0, 3, dtype=torch.int64), torch.zeros(len(LENGTHS), dtype=torch.int64)
    single = torch.tensor([[0, 0, 0], [0, 0, 1], [0, 0, 2]]), torch.tensor([0, 3, 0, 0])
    for spans, counts in (none, single):
        loss = span_loss(module(hidden, positions), spans, counts, LENGTHS, TYPES)
        grads = torch.autograd.grad(loss, list(module.parameters()))
        assert loss.isfinite() and all(grad.isfinite().all() for grad in grads)
