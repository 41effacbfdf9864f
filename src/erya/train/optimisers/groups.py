"""Which parameters are what to an optimiser: matrices of blocks, other matrices, embeddings, vectors."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from erya.train.protocols import Stacked


@dataclass(frozen=True, slots=True)
class Parameters:
    """The trainable parameters of a module, each once, in the order of the module.

    Attributes:
        matrices: weights of linear layers inside blocks, by how many matrices are stacked in one.
        others: other parameters of two and more dimensions: heads, convolutions.
        embeddings: tables that are looked up; an output layer that shares one is the same parameter.
        vectors: biases and norms.
    """

    matrices: dict[int, list[nn.Parameter]] = field(default_factory=dict)
    others: list[nn.Parameter] = field(default_factory=list)
    embeddings: list[nn.Parameter] = field(default_factory=list)
    vectors: list[nn.Parameter] = field(default_factory=list)


def parameters_of(module: nn.Module) -> Parameters:
    """Sort the trainable parameters of `module` by the kind of layer they belong to.

    Blocks are what stands in an `nn.ModuleList`: a stack of like layers.
    """
    tables = {id(layer.weight) for layer in module.modules() if isinstance(layer, nn.Embedding)}
    stacked = {id(layer.weight): _num_stacked(layer) for layer in _linear_layers_of_blocks(module)}
    found = Parameters()
    for parameter in module.parameters():
        if not parameter.requires_grad:
            continue
        if id(parameter) in tables:
            found.embeddings.append(parameter)
        elif id(parameter) in stacked:
            found.matrices.setdefault(stacked[id(parameter)], []).append(parameter)
        else:
            (found.others if parameter.ndim >= 2 else found.vectors).append(parameter)
    return found


def _linear_layers_of_blocks(module: nn.Module) -> list[nn.Linear]:
    stacks = [layer for layer in module.modules() if isinstance(layer, nn.ModuleList)]
    return [layer for stack in stacks for layer in stack.modules() if isinstance(layer, nn.Linear)]


def _num_stacked(layer: nn.Linear) -> int:
    return layer.num_stacked if isinstance(layer, Stacked) else 1
