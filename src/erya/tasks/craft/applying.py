"""Putting a craft recipe to work: what is changed in a learner before training, and undone before saving."""

from __future__ import annotations

from torch import nn

from erya.errors import ConfigError
from erya.models.encoder import Encoder
from erya.tasks.craft.crafted import Crafted
from erya.tasks.craft.dropouts import has_dropout, set_dropout
from erya.tasks.craft.freezing import freeze
from erya.tasks.craft.lora import add_corrections, merge_corrections
from erya.tasks.craft.recipe import CraftRecipe
from erya.tasks.craft.replay import encoder_of
from erya.tasks.learner import Learner
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.train.protocols import Tell

_LORA = 0x10A4  # keeps this noise apart from that of a fresh head


def crafted(
    learner: Learner, craft: CraftRecipe, *, tokenizer: AnyTokenizer, seed: int, tell: Tell
) -> Learner:
    """What is trained in place of `learner`: itself where nothing is switched on.

    Args:
        learner: initialised; its encoder is changed in place (dropout, what is frozen, corrections).
        craft: what to do.
        tokenizer: the model's.
        seed: of the noise that corrections begin with.
        tell: is given a sentence about the share of the numbers that is trained, where it is not all.
    Returns:
        A learner that gives the same logits, to be saved by `learner.network` after `made_plain`.
    Raises:
        ConfigError: the recipe does not fit the encoder or the head; says what to change.
    """
    if craft == CraftRecipe():
        return learner
    encoder = encoder_of(learner.network)
    set_dropout(encoder, hidden=craft.hidden_dropout_prob, attention=craft.attention_dropout_prob)
    if craft.lora is not None:
        add_corrections(encoder, craft.lora, seed=seed + _LORA)
    else:
        freeze(encoder, craft.freeze)
    assert isinstance(learner, nn.Module)
    _require_dropout(learner, encoder, craft)
    trained = sum(p.numel() for p in learner.parameters() if p.requires_grad)
    total = sum(p.numel() for p in learner.parameters())
    if trained < total:
        tell(f"{trained:,} of {total:,} numbers are trained ({trained / total:.2%})")
    return Crafted(learner, craft, tokenizer)


def made_plain(network: nn.Module) -> nn.Module:
    """A network as it is saved, the same one: corrections are added to what they correct."""
    merge_corrections(network)
    return network


def _require_dropout(learner: nn.Module, encoder: Encoder, craft: CraftRecipe) -> None:
    """Check that what compares or averages over dropout has dropout to compare."""
    of_encoder = {id(module) for module in encoder.modules()}
    if craft.dropout_samples > 1 and not has_dropout(m for m in learner.modules() if id(m) not in of_encoder):
        raise ConfigError(
            "craft.dropout_samples wants dropout before the head's last layer, and there is none",
            hint="set classifier_dropout_prob, such as 0.3, or leave craft.dropout_samples out",
        )
    layers = (m for m in learner.modules() if craft.cached_states is None or id(m) not in of_encoder)
    if craft.r_drop is not None and not has_dropout(layers):
        raise ConfigError(
            "craft.r_drop compares two passes with other dropout, and this model has no dropout",
            hint="set craft.hidden_dropout_prob=0.1, or leave craft.r_drop out",
        )
