"""What a checkpoint holds: every tensor of a module and its optimisers under a name of its own.

`module.NAME`, `optimiser.NAME.MEAN` and `extra.NAME`: a name says nothing about how many ranks there were.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor
from torch.optim import Optimizer

from erya.errors import CheckpointError
from erya.train.checkpoint_files import read_tensors, stored_tensors

_MODULE, _OPTIMISER, _EXTRA = "module.", "optimiser.", "extra."
AVERAGE = "extra.average."  # where the running mean of the weights is


def copy_tensors(
    module: nn.Module,
    optimisers: Sequence[Optimizer],
    extra: Mapping[str, Tensor],
    *,
    is_first: bool,
) -> dict[str, Tensor]:
    """Copies, in the memory of the processor, of what this rank has to write.

    Args:
        module: whose weights; a tensor with two names is taken once.
        optimisers: whose running means.
        extra: other tensors, by name.
        is_first: whether this is the first rank; tensors that all have whole are written by it alone.
    """
    tensors = {_MODULE + name: tensor for name, tensor in weights_of(module).items()}
    tensors |= {_EXTRA + name: tensor for name, tensor in extra.items()}
    for name, parameter, optimiser in _trained(module, optimisers):
        for key, value in optimiser.state.get(parameter, {}).items():
            assert isinstance(value, Tensor), f"{key} of an optimiser is no tensor and would be lost"
            tensors[f"{_OPTIMISER}{name}.{key}"] = value
    ours = {name: value for name, value in tensors.items() if is_first or isinstance(value, DTensor)}
    return {name: _copy(value.detach()) for name, value in ours.items()}


def load_tensors(
    directory: Path,
    module: nn.Module,
    optimisers: Sequence[Optimizer],
    extra: Mapping[str, Tensor],
    *,
    alone: bool,
) -> None:
    """Put the tensors of the checkpoint in `directory` in place; all ranks call it together.

    Args:
        directory: the checkpoint.
        module: takes the weights.
        optimisers: take their running means; none leaves those in the checkpoint.
        extra: tensors that take what was saved under their names; none leaves those in the checkpoint.
        alone: whether there is one process only.
    Raises:
        CheckpointError: the checkpoint is of another model.
    """
    stored = {name: entry.size for name, entry in stored_tensors(directory).items()}
    wanted = {_MODULE + name: tensor.detach() for name, tensor in weights_of(module).items()}
    _require_same(stored, wanted, _MODULE, directory)
    if extra:
        wanted |= {_EXTRA + name: tensor.detach() for name, tensor in extra.items()}
        _require_same(stored, wanted, _EXTRA, directory)
    if optimisers:
        wanted |= _running_means(stored, module, optimisers)
        _require_same(stored, wanted, _OPTIMISER, directory)
    read_tensors(wanted, directory, alone=alone)


def read_weights(directory: Path) -> dict[str, Tensor]:
    """The whole weights in the checkpoint in `directory`, by name, in this process alone.

    Where the run keeps a running mean of its weights it is the mean.

    Raises:
        CheckpointError: it is no checkpoint.
    """
    tensors = {
        name: torch.empty(entry.size, dtype=entry.properties.dtype)
        for name, entry in stored_tensors(directory).items()
        if name.startswith((_MODULE, AVERAGE))
    }
    read_tensors(tensors, directory, alone=True)
    return {
        name.removeprefix(_MODULE): tensors.get(AVERAGE + name.removeprefix(_MODULE), tensor)
        for name, tensor in tensors.items()
        if name.startswith(_MODULE)
    }


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers that are kept, each under its first name."""
    named: dict[int, tuple[str, Tensor]] = {}
    for name, tensor in module.state_dict(keep_vars=True).items():
        named.setdefault(id(tensor), (name, tensor))
    return dict(named.values())


def _running_means(
    stored: Mapping[str, torch.Size], module: nn.Module, optimisers: Sequence[Optimizer]
) -> dict[str, Tensor]:
    """Give the optimisers room for the means of the checkpoint; the room, by name."""
    keys: dict[str, list[str]] = {}
    for name in stored:
        if name.startswith(_OPTIMISER):
            parameter_name, _, key = name.removeprefix(_OPTIMISER).rpartition(".")
            keys.setdefault(parameter_name, []).append(key)
    room = {}
    for name, parameter, optimiser in _trained(module, optimisers):
        optimiser.state.pop(parameter, None)
        for key in keys.get(name, ()):
            full_name = f"{_OPTIMISER}{name}.{key}"
            optimiser.state[parameter][key] = room[full_name] = _room(stored[full_name], parameter, optimiser)
    return room


def _room(size: torch.Size, parameter: Tensor, optimiser: Optimizer) -> Tensor:
    if size == parameter.shape:
        return torch.zeros_like(parameter.detach())
    # Fused optimisers count steps where the parameters are, others on the processor.
    return torch.zeros(size, device=parameter.device if optimiser.defaults.get("fused") else "cpu")


def _trained(
    module: nn.Module, optimisers: Sequence[Optimizer]
) -> Iterator[tuple[str, nn.Parameter, Optimizer]]:
    """Every trained parameter with its name and its optimiser."""
    owners = {
        id(parameter): optimiser
        for optimiser in optimisers
        for group in optimiser.param_groups
        for parameter in group["params"]
    }
    for name, parameter in module.named_parameters():
        if id(parameter) in owners:
            yield name, parameter, owners[id(parameter)]


def _require_same(
    stored: Mapping[str, torch.Size], wanted: Mapping[str, Tensor], prefix: str, directory: Path
) -> None:
    """Check that names under `prefix` and their shapes are the same."""
    there = {name: tuple(size) for name, size in stored.items() if name.startswith(prefix)}
    here = {name: tuple(tensor.shape) for name, tensor in wanted.items() if name.startswith(prefix)}
    if there == here:
        return
    name = min(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    raise CheckpointError(
        f"not a checkpoint of this model: {name} has the shape {there.get(name, 'of nothing')} in it, "
        f"and {here.get(name, 'no place')} here",
        where=str(directory),
    )


def _copy(tensor: Tensor) -> Tensor:
    return tensor.clone() if tensor.device.type == "cpu" else tensor.cpu()
