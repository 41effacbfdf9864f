import copy

import pytest
import torch
from torch import nn

from erya.train.average import EqualAverage, MovingAverage


def moved(module: nn.Module, amount: float) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(amount)


def test_the_average_follows_the_formula() -> None:
    module = nn.Linear(2, 2)
    average, mean = MovingAverage(module, decay=0.3), module.weight.detach().clone()
    for update in range(1, 8):
        moved(module, 0.5)
        average.update(0.5)
        stays = min(0.3, (1 + update) / (10 + update))
        mean = stays * mean + (1 - stays) * module.weight.detach()
    with average.swapped():
        torch.testing.assert_close(module.weight.detach(), mean)


def test_a_module_has_the_average_only_meanwhile() -> None:
    module = nn.Linear(2, 2)
    average = MovingAverage(module, decay=0.9)
    moved(module, 1.0)
    own, pointer = module.weight.detach().clone(), module.weight.data_ptr()
    with pytest.raises(RuntimeError, match="evaluation"), average.swapped():
        torch.testing.assert_close(module.weight.detach(), own - 1.0)
        raise RuntimeError("evaluation")
    assert torch.equal(module.weight, own) and module.weight.data_ptr() == pointer
    average.put()
    torch.testing.assert_close(module.weight.detach(), own - 1.0)


def test_an_average_is_taken_up_to_the_last_bit() -> None:
    module = nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    average = MovingAverage(module, decay=0.99)
    for _ in range(3):
        moved(module, 0.1)
        average.update(0.5)
    saved = copy.deepcopy(average.state_dict())
    other = copy.deepcopy(module)
    resumed = MovingAverage(other, decay=0.99)
    for name, tensor in resumed.state_dict().items():
        tensor.copy_(saved[name])
    for one, mean in ((module, average), (other, resumed)):
        moved(one, 0.1)
        mean.update(0.5)
        mean.put()
    assert torch.equal(module.weight, other.weight)
    assert saved.keys() == {"weight", "num_updates"}


def test_an_equal_mean_is_the_mean_of_the_steps_from_its_start_on() -> None:
    module = nn.Linear(2, 2)
    average, weights = EqualAverage(module, start_ratio=0.5), []
    for progress in (0.0, 0.25, 0.5, 0.75):
        moved(module, 1.0 + progress)
        average.update(progress)
        weights.append(module.weight.detach().clone())
        with average.swapped():
            seen = module.weight.detach().clone()
        kept = weights[2:] or weights[-1:]
        torch.testing.assert_close(seen, torch.stack(kept).mean(dim=0))


def test_an_equal_mean_is_taken_up_to_the_last_bit() -> None:
    module = nn.Linear(2, 2)
    average = EqualAverage(module, start_ratio=0.2)
    for progress in (0.1, 0.3, 0.5):
        moved(module, 0.1)
        average.update(progress)
    saved, other = copy.deepcopy(average.state_dict()), copy.deepcopy(module)
    resumed = EqualAverage(other, start_ratio=0.2)
    for name, tensor in resumed.state_dict().items():
        tensor.copy_(saved[name])
    for one, mean in ((module, average), (other, resumed)):
        moved(one, 0.1)
        mean.update(0.7)
        mean.put()
    assert torch.equal(module.weight, other.weight)
