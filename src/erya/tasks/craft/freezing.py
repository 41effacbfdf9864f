"""Parts of an encoder that are not trained."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from erya.errors import ConfigError
from erya.models.encoder import Encoder
from erya.tasks.craft.recipe import FreezeRecipe


def freeze(encoder: Encoder, recipe: FreezeRecipe) -> None:
    """Take gradients, and so the optimiser's state, from parts of an encoder; never from its pooler.

    What all blocks share (embeddings of distances) goes with the embeddings, the convolution after the first
    block with that block.

    Raises:
        ConfigError: there are not so many layers, or a layer to freeze shares its weights with one to train.
    """
    if recipe.everything:
        freeze_all(encoder)
        return
    if recipe.embeddings:
        _freeze([encoder.embeddings, encoder.distances])
    if recipe.layers:
        _freeze([encoder.blocks[index] for index in _blocks(encoder, recipe.layers)])
        _freeze([encoder.convolution])


def freeze_all(encoder: Encoder) -> None:
    """Take gradients from all of an encoder but its pooler."""
    _freeze(child for name, child in encoder.named_children() if name != "pooler")


def _freeze(modules: Iterable[nn.Module | None]) -> None:
    for module in modules:
        if module is not None:
            module.requires_grad_(requires_grad=False)


def _blocks(encoder: Encoder, layers: int) -> set[int]:
    """The blocks that the lowest `layers` layers go through."""
    config = encoder.config
    if layers > config.num_layers:
        raise ConfigError(
            f"craft.freeze.layers is {layers}, but the encoder has {config.num_layers} layers",
            hint="freeze the whole of it by craft.freeze=all",
        )
    frozen = {index for layer in range(layers) for index in config.block_of(layer)}
    trained = {index for layer in range(layers, config.num_layers) for index in config.block_of(layer)}
    if frozen & trained:
        raise ConfigError(
            f"craft.freeze.layers is {layers}, but the layers of this encoder share their weights",
            hint="freeze none of them, or the whole encoder by craft.freeze=all",
        )
    return frozen
