"""Corrections of low rank to matrices that stay as they are.

N tokens, M stacked matrices, A inputs, B outputs of one of them, R rank.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from erya.errors import ConfigError
from erya.models.encoder import Encoder
from erya.models.positions import Disentangled
from erya.nn.dropout import Dropout
from erya.nn.stacked import StackedLinear
from erya.tasks.craft.freezing import freeze_all
from erya.tasks.craft.recipe import LoraRecipe
from erya.train.protocols import Stacked

# Where the matrices of a block are that a target names.
_PLACES = {
    "qkv": ("attention.qkv",),
    "output": ("attention.output",),
    "feedforward": ("feedforward.up", "feedforward.down"),
}


class CorrectedLinear(nn.Linear):
    """A linear layer that stays as it is, and for each matrix stacked in it a correction of low rank.

    Weight and bias are those of the layer it stands for, under the same names.

    Args:
        layer: the layer, whose parameters it takes over.
        recipe: rank, scale and dropout.
        generator: of the noise that half of each correction begins with; the other half begins at zero.
    Source: Hu et al. 2022, LoRA: Low-Rank Adaptation of Large Language Models, section 4.1.
    """

    def __init__(self, layer: nn.Linear, recipe: LoraRecipe, *, generator: torch.Generator) -> None:
        # No values of its own: they would be made only to be thrown away.
        super().__init__(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias
        self.num_stacked = layer.num_stacked if isinstance(layer, Stacked) else 1
        self.scale, self.dropout = recipe.alpha / recipe.rank, Dropout(recipe.dropout_prob)
        down = torch.empty(self.num_stacked, recipe.rank, layer.in_features)
        # As linear layers of torch begin, and so the original code's.
        bound = 1.0 / math.sqrt(layer.in_features)
        down.uniform_(-bound, bound, generator=generator)
        up = torch.zeros(self.num_stacked, layer.out_features // self.num_stacked, recipe.rank)
        self.down = nn.Parameter(down.to(layer.weight))
        self.up = nn.Parameter(up.to(layer.weight))

    def forward(self, hidden: Tensor) -> Tensor:
        """Shape (N, A) in, (N, M * B) out."""
        low = nn.functional.linear(self.dropout(hidden), self.down.flatten(0, 1))
        low = low.view(len(hidden), self.num_stacked, -1).transpose(0, 1)
        correction = torch.bmm(low, self.up.mT.to(low.dtype)).transpose(0, 1).flatten(1)
        return super().forward(hidden) + self.scale * correction

    def merged(self) -> nn.Linear:
        """A plain layer that computes the same."""
        sizes, bias = (self.in_features, self.out_features), self.bias is not None
        if self.num_stacked > 1:
            plain: nn.Linear = StackedLinear(*sizes, num_stacked=self.num_stacked, bias=bias)
        else:
            plain = nn.Linear(*sizes, bias=bias)
        with torch.no_grad():
            correction = torch.bmm(self.up, self.down).flatten(0, 1)
            plain.weight = nn.Parameter(self.weight + self.scale * correction)
            if self.bias is not None:
                plain.bias = nn.Parameter(self.bias.detach().clone())
        return plain.train(self.training)


def add_corrections(encoder: Encoder, recipe: LoraRecipe, *, seed: int) -> None:
    """Freeze an encoder but its pooler, and correct matrices of its blocks, in place.

    Args:
        encoder: without corrections.
        recipe: which matrices, and how.
        seed: of the noise they begin with.
    Raises:
        ConfigError: the encoder uses these matrices for distances too, or the rank is no low one.
    """
    _require_sense(encoder, recipe)
    freeze_all(encoder)
    generator = torch.Generator().manual_seed(seed)
    for block in encoder.blocks:
        for target in recipe.targets:
            for place in _PLACES[target]:
                layer = block.get_submodule(place)
                assert isinstance(layer, nn.Linear), "a target is a linear layer"
                block.set_submodule(place, CorrectedLinear(layer, recipe, generator=generator))


def merge_corrections(module: nn.Module) -> None:
    """Add corrections to the matrices they correct, in place: the module is then a plain one."""
    for name, layer in list(module.named_modules()):
        if isinstance(layer, CorrectedLinear):
            module.set_submodule(name, layer.merged())


def _require_sense(encoder: Encoder, recipe: LoraRecipe) -> None:
    positions = encoder.config.positions
    if "qkv" in recipe.targets and isinstance(positions, Disentangled) and positions.shared_projections:
        raise ConfigError(
            "this encoder projects distances by the matrices for queries and keys, which LoRA cannot correct",
            hint="choose craft.lora.targets among output and feedforward",
        )
    size = encoder.config.hidden_size
    if recipe.rank >= size:
        raise ConfigError(
            f"craft.lora.rank is {recipe.rank}, no low rank where matrices have {size} rows or columns",
            hint="8 is usual",
        )
