"""Learning rates by depth: what a pre-trained encoder learnt first is changed least."""

from __future__ import annotations

import re

from torch import nn

from erya.errors import ConfigError

_BLOCK = re.compile(r"(?P<encoder>(?:.*\.)?encoder)\.blocks\.(?P<index>\d+)\.")
# What stands under all blocks, and what stands beside the first one.
_BOTTOM = re.compile(r"(?P<encoder>(?:.*\.)?encoder)\.(?:embeddings|distances)\.")
_BESIDE_FIRST = re.compile(r"(?P<encoder>(?:.*\.)?encoder)\.convolution\.")


def rate_factors(module: nn.Module, *, decay: float) -> dict[int, float]:
    """By how much each parameter's learning rate is less than the greatest.

    Embeddings are layer 0, the blocks of an encoder layers 1 to L, all above them (pooler, head) is layer
    L + 1; the factor is decay ** (L + 1 - layer).

    Args:
        module: has one encoder or more, whose parameters are called `encoder.blocks.N.*`.
        decay: in (0, 1]; 1 makes all alike.
    Returns:
        The factor by the `id` of each parameter.
    Raises:
        ConfigError: there is no such encoder to decay along.
    Source: Clark et al. 2020, ELECTRA, appendix B; the exponent is that of Bao et al. 2022, BEiT, whose last
        block has decay ** 1, where ELECTRA's code has decay ** 2.
    """
    if decay == 1.0:
        return {id(parameter): 1.0 for parameter in module.parameters()}
    blocks = [match for name, _ in module.named_parameters() if (match := _BLOCK.match(name))]
    depths: dict[str, int] = {}
    for match in blocks:
        encoder = match["encoder"]
        depths[encoder] = max(depths.get(encoder, 0), int(match["index"]) + 1)
    if not depths:
        raise ConfigError(
            "train.layer_decay wants layers, and this model has no encoder with blocks",
            hint="leave train.layer_decay out",
        )
    return {id(p): decay ** _below_the_top(name, depths) for name, p in module.named_parameters()}


def _below_the_top(name: str, depths: dict[str, int]) -> int:
    """How many layers the parameter of this name stands below the head."""
    if match := _BLOCK.match(name):
        return depths[match["encoder"]] - int(match["index"])
    if match := _BOTTOM.match(name):
        return depths[match["encoder"]] + 1
    if match := _BESIDE_FIRST.match(name):
        return depths[match["encoder"]]
    return 0
