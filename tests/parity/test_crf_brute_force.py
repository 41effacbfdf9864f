"""The chain of tags against every path written out: likelihood, gradients, best path, marginals."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from erya.data.batches import bounds_of
from erya.nn.crf import LinearChainCrf
from erya.tasks.tag.schemes import TagSet
from erya.tasks.tag.viterbi import PathProbabilities, Transitions, viterbi

LENGTHS = (4, 1, 5, 3, 2, 5)
NUM_TAGS = 4


def made(seed: int, *, scale: float = 1.0) -> tuple[LinearChainCrf, torch.Tensor, torch.Tensor]:
    """A chain with random scores, random emissions and paths."""
    generator = torch.Generator().manual_seed(seed)
    crf = LinearChainCrf(NUM_TAGS, scale=scale).double()
    for part in crf.parameters():
        part.data = torch.randn(part.shape, generator=generator) / scale
    count = sum(LENGTHS)
    emissions = 2 * torch.randn(count, NUM_TAGS, generator=generator)
    return crf, emissions, torch.randint(NUM_TAGS, (count,), generator=generator)


def some(kind: str, seed: int = 0) -> torch.Tensor:
    """Which tokens take part: all, about half, the inner ones, or in one sequence none."""
    count, bounds = sum(LENGTHS), bounds_of(np.array(LENGTHS))
    mask = torch.ones(count, dtype=torch.bool)
    if kind == "half":
        mask = torch.rand(count, generator=torch.Generator().manual_seed(seed)) < 0.5
    if kind == "inner":
        mask[torch.from_numpy(bounds[:-1]).long()] = False
    if kind == "none":
        mask[bounds[2] : bounds[3]] = False
    return mask


def paths(
    rows: np.ndarray, start: np.ndarray, pairs: np.ndarray, end: np.ndarray
) -> dict[tuple[int, ...], float]:
    """The score of every path through emissions `rows`."""
    scores = {}
    for path in product(range(rows.shape[1]), repeat=len(rows)):
        score = start[path[0]] + end[path[-1]] + sum(rows[i, tag] for i, tag in enumerate(path))
        scores[path] = score + sum(pairs[a, b] for a, b in pairwise(path))
    return scores


def sequences(mask: torch.Tensor) -> list[np.ndarray]:
    """The rows of each sequence that take part."""
    bounds = bounds_of(np.array(LENGTHS))
    return [np.arange(a, b)[mask.numpy()[a:b]] for a, b in pairwise(bounds)]


def log_sum(scores: dict[tuple[int, ...], float]) -> float:
    return float(np.logaddexp.reduce(np.array(list(scores.values()))))


def moves_of(crf: LinearChainCrf) -> list[np.ndarray]:
    return [part.detach().double().numpy() for part in crf.moves()]


@pytest.mark.parametrize("kind", ["all", "half", "inner", "none"])
@pytest.mark.parametrize("scale", [1.0, 50.0])
def test_likelihood_is_that_of_all_paths(kind: str, scale: float) -> None:
    crf, emissions, tags = made(3, scale=scale)
    mask = some(kind)
    wanted = 0.0
    for rows in sequences(mask):
        if len(rows):
            scores = paths(emissions.numpy()[rows], *moves_of(crf))
            wanted += scores[tuple(tags[rows].tolist())] - log_sum(scores)
    strange = tags.where(mask, -100)
    found = crf.log_likelihood(emissions, strange, LENGTHS, mask=mask)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(wanted, rel=1e-5)
    if kind == "all":
        assert crf.log_likelihood(emissions, tags, LENGTHS).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", ["all", "half", "none"])
def test_gradients(kind: str) -> None:
    """The gradient of the likelihood by emissions is what is there less what is expected."""
    crf, emissions, tags = made(5)
    mask = some(kind, seed=1)
    emissions.requires_grad_()
    crf.log_likelihood(emissions, tags, LENGTHS, mask=mask).backward()
    expected = crf.log_marginals(emissions.detach(), LENGTHS, mask=mask).exp()
    wanted = torch.nn.functional.one_hot(tags, NUM_TAGS) - expected
    assert torch.allclose(emissions.grad, wanted * mask[:, None], atol=1e-5)
    step = 1e-2
    for part in (crf.start, crf.transitions, crf.end):
        place = (1, 2)[: part.ndim]
        with torch.no_grad():
            part[place] += step
            above = crf.log_likelihood(emissions, tags, LENGTHS, mask=mask)
            part[place] -= 2 * step
            below = crf.log_likelihood(emissions, tags, LENGTHS, mask=mask)
            part[place] += step
        assert float(part.grad[place]) == pytest.approx(float(above - below) / (2 * step), abs=2e-3)


@pytest.mark.parametrize("kind", ["all", "half", "inner", "none"])
def test_best_paths(kind: str) -> None:
    crf, emissions, _ = made(7)
    mask = some(kind, seed=2)
    kept = sequences(mask)
    bounds = bounds_of(np.array([len(rows) for rows in kept]))
    in_numpy = viterbi(emissions.numpy()[mask.numpy()], bounds, Transitions(*moves_of(crf)))
    for rows, start in zip(kept, bounds, strict=False):
        if not len(rows):
            continue
        scores = paths(emissions.numpy()[rows], *moves_of(crf))
        best = max(scores, key=scores.__getitem__)
        assert tuple(in_numpy[start : start + len(rows)].tolist()) == best


@pytest.mark.parametrize("outside", [True, False])
@pytest.mark.parametrize("scheme", ["bio", "bioes"])
def test_what_a_scheme_forbids_is_on_no_path(scheme, outside) -> None:
    """Of all paths only those are left that tags of some spans could be."""
    tags = TagSet.of_types(scheme, ["X"])
    allowed = tags.allowed(outside=outside)
    rng = np.random.default_rng(4)
    emissions = 3 * rng.normal(size=(3 + 4 + 1, len(tags.labels)))
    bounds = np.array([0, 3, 7, 8])
    in_numpy = viterbi(emissions, bounds, allowed)
    probabilities = PathProbabilities(emissions, bounds, allowed)
    marginals = probabilities.marginals()
    for a, b in pairwise(bounds):
        scores = paths(emissions[a:b], allowed.start, allowed.pairs, allowed.end)
        finite = {path: score for path, score in scores.items() if score > -np.inf}
        assert 0 < len(finite) < len(scores)
        best = max(finite, key=finite.__getitem__)
        assert best == tuple(in_numpy[a:b])
        whole = log_sum(finite)
        for i in range(b - a):
            for tag in range(len(tags.labels)):
                sums = [np.exp(score - whole) for path, score in finite.items() if path[i] == tag]
                assert marginals[a + i, tag] == pytest.approx(sum(sums), abs=1e-9)


def test_probabilities_of_stretches() -> None:
    crf, emissions, _ = made(11)
    moves = Transitions(*moves_of(crf))
    bounds = bounds_of(np.array(LENGTHS))
    rows = emissions.numpy().astype(np.float64)
    tags = viterbi(rows, bounds, moves)
    probabilities = PathProbabilities(rows, bounds, moves)
    stretches = [(0, 3), (1, 2), (4, 4), (6, 9), (11, 11), (17, 19)]
    firsts, lasts = (np.array(side) for side in zip(*stretches, strict=True))
    found = probabilities.of_stretches(tags, firsts, lasts)
    for (first, last), value in zip(stretches, found, strict=True):
        sequence = int(np.searchsorted(bounds, first, side="right")) - 1
        a, b = bounds[sequence], bounds[sequence + 1]
        scores = paths(rows[a:b], moves.start, moves.pairs, moves.end)
        whole = log_sum(scores)
        here = [
            np.exp(score - whole)
            for path, score in scores.items()
            if path[first - a : last - a + 1] == tuple(tags[first : last + 1])
        ]
        assert value == pytest.approx(sum(here), rel=1e-9)


def test_without_transitions_a_stretch_has_the_product_of_its_tokens() -> None:
    rows = np.random.default_rng(1).normal(size=(5, 3))
    bounds = np.array([0, 5])
    tags = viterbi(rows, bounds, Transitions.none(3))
    assert (tags == rows.argmax(axis=1)).all()
    shares = np.exp(rows) / np.exp(rows).sum(axis=1, keepdims=True)
    wanted = np.prod(shares[np.arange(1, 4), tags[1:4]])
    found = PathProbabilities(rows, bounds, Transitions.none(3)).of_stretches(
        tags, np.array([1]), np.array([3])
    )
    assert found[0] == pytest.approx(wanted)
