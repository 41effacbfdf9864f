import copy
import math

import pytest
import torch
from torch import Tensor, nn
from toy_model import toy_recipe

from erya.errors import TrainingError
from erya.train.optimisers.build import build_optimiser
from erya.train.optimisers.groups import parameters_of
from erya.train.optimisers.lamb import Lamb
from erya.train.optimisers.members import Optimisers
from erya.train.optimisers.muon import Muon, orthogonalise
from erya.train.recipe import TrainRecipe


class Triple(nn.Linear):
    """Three layers in one."""

    num_stacked = 3


class Small(nn.Module):
    """An embedding that is the output layer too, two blocks, a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(11, 8)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(8), Triple(8, 24), nn.Linear(24, 8)) for _ in range(2)
        )
        self.head = nn.Linear(8, 8)
        self.output = nn.Linear(8, 11)
        self.output.weight = self.words.weight
        self.frozen = nn.Parameter(torch.zeros(3, 3), requires_grad=False)

    def forward(self, ids: Tensor) -> Tensor:
        hidden = self.words(ids)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.output(self.head(hidden))


def recipe(optimiser: dict[str, object], **changes: object) -> TrainRecipe:
    return toy_recipe(optimiser=optimiser, weight_decay=0.1, **changes).train


def learn(module: Small, optimiser: Optimisers, *, steps: int) -> list[float]:
    ids = torch.arange(11)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(module(ids), ids.roll(1))
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return losses


def test_parameters_are_sorted_by_their_layers() -> None:
    module = Small()
    found = parameters_of(module)
    assert [list(p.shape) for p in found.matrices[3]] == [[24, 8]] * 2
    assert [list(p.shape) for p in found.matrices[1]] == [[8, 24]] * 2
    assert [id(p) for p in found.embeddings] == [id(module.words.weight)]
    assert [id(p) for p in found.others] == [id(module.head.weight)]
    assert len(found.vectors) == 2 * 4 + 2


@pytest.mark.parametrize("kind", ["adamw", "muon", "lamb"])
def test_what_decays(kind: str) -> None:
    module = Small()
    for decays in (True, False):
        optimiser = build_optimiser(module, recipe({"kind": kind, "decay_embeddings": decays}))
        decaying = {
            id(parameter)
            for group in optimiser.param_groups
            for parameter in group["params"]
            if group["weight_decay"] == 0.1
        }
        all_of_them = [id(p) for group in optimiser.param_groups for p in group["params"]]
        assert sorted(all_of_them) == sorted(id(p) for p in module.parameters() if p.requires_grad)
        assert (id(module.words.weight) in decaying) is decays
        assert decaying - {id(module.words.weight)} == {
            id(p)
            for p in module.parameters()
            if p.ndim == 2 and p.requires_grad and p is not module.words.weight
        }


@pytest.mark.parametrize(
    "optimiser",
    [{"kind": "muon"}, {"kind": "muon", "learning_rate": 0.02, "momentum": 0.9}, {"kind": "lamb"}],
)
def test_every_optimiser_learns(optimiser: dict[str, object]) -> None:
    module = Small()
    losses = learn(module, build_optimiser(module, recipe(optimiser)), steps=60)
    assert losses[-1] < 0.3 * losses[0]


def test_muon_has_the_matrices_and_adamw_the_rest() -> None:
    muon, adamw = build_optimiser(Small(), recipe({"kind": "muon", "learning_rate": 0.5})).members
    assert [type(member).__name__ for member in (muon, adamw)] == ["Muon", "AdamW"]
    assert [(group["num_stacked"], group["lr"]) for group in muon.param_groups] == [(1, 0.5), (3, 0.5)]
    assert {group["lr"] for group in adamw.param_groups} == {0.01}


@pytest.mark.parametrize("shape", [(8, 8), (24, 8), (8, 24)])
@pytest.mark.parametrize("match_adamw", [True, False])
def test_muon_steps_as_torch_does(shape: tuple[int, int], match_adamw: bool) -> None:
    torch.manual_seed(1)
    ours, theirs = ([nn.Parameter(torch.randn(shape)), nn.Parameter(torch.ones(shape))] for _ in range(2))
    theirs[0].data.copy_(ours[0].data)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2}
    adjust = "match_rms_adamw" if match_adamw else "original"
    other = torch.optim.Muon(theirs, adjust_lr_fn=adjust, **settings)
    muon = Muon([{"params": ours}], match_adamw=match_adamw, **settings)
    for _ in range(3):
        for one, two in zip(ours, theirs, strict=True):
            one.grad = torch.randn(shape)
            two.grad = one.grad.clone()
        muon.step()
        other.step()
    for one, two in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, two, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("match_adamw", [True, False])
def test_muon_takes_stacked_matrices_apart(match_adamw: bool) -> None:
    torch.manual_seed(1)
    stacked = nn.Parameter(torch.randn(24, 8))
    apart = [nn.Parameter(part.clone()) for part in stacked.data.chunk(3)]
    stacked.grad = torch.randn(24, 8)
    for part, gradient in zip(apart, stacked.grad.chunk(3), strict=True):
        part.grad = gradient.clone()
    settings = {"lr": 0.1, "match_adamw": match_adamw, "dtype": torch.float32}
    Muon([{"params": [stacked], "num_stacked": 3}], **settings).step()
    Muon([{"params": apart}], **settings).step()
    torch.testing.assert_close(stacked.data, torch.cat([part.data for part in apart]))


def test_orthogonalised_matrices_have_like_singular_values() -> None:
    torch.manual_seed(1)
    matrices = torch.randn(2, 24, 8) * torch.logspace(0, -1, 8)
    for number in (1, 3):
        parts = orthogonalise(matrices, num_stacked=number).reshape(2 * number, -1, 8)
        values = torch.linalg.svdvals(parts)
        assert values.min() > 0.5 and values.max() < 1.3
    # One matrix apart from its neighbours is what it is among them.
    alone = orthogonalise(matrices[:1, 8:16])
    torch.testing.assert_close(alone[0], orthogonalise(matrices, num_stacked=3)[0, 8:16])
    assert not torch.allclose(alone[0], orthogonalise(matrices)[0, 8:16], atol=0.1)


def lamb_of_the_paper(weight: Tensor, gradients: list[Tensor]) -> Tensor:
    """You et al. 2020, algorithm 2, line by line; lr 0.1, betas 0.8 and 0.9, eps 1e-6, decay 0.3."""
    m, v = torch.zeros_like(weight), torch.zeros_like(weight)
    for t, g in enumerate(gradients, start=1):
        m = 0.8 * m + 0.2 * g
        v = 0.9 * v + 0.1 * g * g
        r = (m / (1 - 0.8**t)) / ((v / (1 - 0.9**t)).sqrt() + 1e-6)
        u = r + 0.3 * weight
        weight = weight - 0.1 * (weight.norm() / u.norm()) * u
    return weight


def test_lamb_is_the_papers() -> None:
    torch.manual_seed(2)
    start, gradients = torch.randn(5, 4), [torch.randn(5, 4) for _ in range(4)]
    weight, zero = nn.Parameter(start.clone()), nn.Parameter(torch.zeros(5, 4))
    lamb = Lamb([{"params": [weight, zero], "weight_decay": 0.3}], lr=0.1, betas=(0.8, 0.9), eps=1e-6)
    for gradient in gradients:
        weight.grad, zero.grad = gradient, gradient
        lamb.step()
    torch.testing.assert_close(weight.data, lamb_of_the_paper(start, gradients))
    assert zero.abs().min() > 0, "what begins at zero must be able to move"


def test_the_rate_is_a_share_of_each_groups_greatest_and_survives_loading() -> None:
    module = Small()
    optimiser = build_optimiser(module, recipe({"kind": "muon", "learning_rate": 0.5}))
    optimiser.set_rate(0.5)
    learn(module, optimiser, steps=1)
    assert {group["lr"] for group in optimiser.param_groups} == {0.25, 0.005}
    gentler = build_optimiser(module, recipe({"kind": "muon", "learning_rate": 0.1}, learning_rate=0.002))
    gentler.load_state_dict(optimiser.state_dict())
    gentler.set_rate(1.0)
    assert {group["lr"] for group in gentler.param_groups} == {0.1, 0.002}


@pytest.mark.parametrize("kind", ["adamw", "muon", "lamb"])
def test_optimisers_are_saved_whole(kind: str) -> None:
    module = Small()
    optimiser = build_optimiser(module, recipe({"kind": kind}))
    learn(module, optimiser, steps=3)
    other = Small()
    other.load_state_dict(module.state_dict())
    resumed = build_optimiser(other, recipe({"kind": kind}))
    resumed.load_state_dict(copy.deepcopy(optimiser.state_dict()))
    assert learn(other, resumed, steps=3) == learn(module, optimiser, steps=3)
    with pytest.raises(ValueError, match="optimisers were saved"):
        resumed.load_state_dict({"0": {}, "1": {}, "2": {}})


def test_memory_that_runs_out_in_a_step_ends_the_run() -> None:
    class Full(torch.optim.SGD):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            raise torch.OutOfMemoryError("no room")

    with pytest.raises(TrainingError, match="running means do not fit"):
        Optimisers([Full([nn.Parameter(torch.ones(1))], lr=0.1)]).step()


def test_muon_scales_its_updates_to_adamws() -> None:
    weight = nn.Parameter(torch.zeros(64, 16))
    weight.grad = torch.randn(64, 16, generator=torch.Generator().manual_seed(3))
    Muon([{"params": [weight]}], lr=1.0, weight_decay=0.0).step()
    assert weight.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.25)
    assert math.isfinite(weight.sum().item())
