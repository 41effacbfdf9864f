"""AdamW as language models want it."""

from __future__ import annotations

from torch import nn
from torch.optim import AdamW

from erya.train.recipe import TrainRecipe


def build_optimiser(module: nn.Module, recipe: TrainRecipe) -> AdamW:
    """Fused AdamW over the trainable parameters of `module`, on whatever device they are.

    Matrices decay; vectors (biases, norms) do not. A parameter two names share is one parameter.

    Source: Loshchilov & Hutter 2019, Decoupled Weight Decay Regularization.
    """
    trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return AdamW(
        [group for group in groups if group["params"]],
        lr=recipe.learning_rate,
        betas=recipe.betas,
        eps=recipe.eps,
        fused=True,
    )


def set_learning_rate(optimiser: AdamW, learning_rate: float) -> None:
    """Use `learning_rate` from the next step on, in every group."""
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
