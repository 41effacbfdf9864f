"""Floating-point operations of a training step, a token: for estimates of cost and utilisation.

Matrix products alone are counted, two operations a multiplication with its sum; everything else is a few
per cent of them. Counted is what the mathematics asks for: padding, rounded shapes, keys computed beyond a
window and blocks computed twice to save memory are not.

H width, L length, V vocabulary size.
"""

from __future__ import annotations

from dataclasses import dataclass

from erya.models.config import EncoderConfig
from erya.models.positions import Disentangled, Relative

# Forward once; backward twice as much, for what went in and for the weights.
_PASSES = 3
# What is multiplied by a fixed table has no gradient for the table.
_PASSES_OF_TABLES = 2


@dataclass(frozen=True, slots=True)
class FlopsPerToken:
    """Operations a token, forward and backward.

    Attributes:
        encoder: of products with weights.
        attention: of products of tokens with tokens; they grow with the length.
        head: of the masked-language head.
    """

    encoder: float
    attention: float
    head: float

    @property
    def total(self) -> float:
        """All of them."""
        return self.encoder + self.attention + self.head


def flops_per_token(config: EncoderConfig, *, length: float, masked_share: float) -> FlopsPerToken:
    """Of a masked language model; its last block and its head see chosen tokens only.

    Args:
        config: the encoder's.
        length: tokens of a sequence; where lengths differ, the mean that a token sees: the sum of their
            squares over their sum.
        masked_share: predicted tokens as a share of all, special ones included, in [0, 1].
    """
    encoder = encoder_flops_per_token(config, length=length, kept_share=masked_share)
    dense, words = config.hidden_size * config.words_size, config.words_size * config.vocab_size
    return FlopsPerToken(encoder.encoder, encoder.attention, _PASSES * 2.0 * (dense + words) * masked_share)


def encoder_flops_per_token(
    config: EncoderConfig, *, length: float, kept_share: float = 1.0
) -> FlopsPerToken:
    """Of an encoder without a head.

    Args:
        length: see `flops_per_token`.
        kept_share: the share of tokens whose last states are wanted, in [0, 1].
    Source: Kaplan et al. 2020, Scaling Laws for Neural Language Models, section 2.1, counted part by part.
    """
    size = config.hidden_size
    blocks = sum(len(config.block_of(layer)) for layer in range(config.num_layers))
    inner = (3 if config.gated else 2) * size * config.intermediate_size
    after = size * size + inner  # what follows attention: the last block's share is smaller
    # Behind a convolution, which looks at neighbours, no token can be left out.
    whole = blocks if config.convolution is not None and blocks == 1 else blocks - 1 + kept_share
    weights = blocks * 3.0 * size * size + whole * after + _outside_blocks(config)
    pairs = sum(
        _seen(config, layer, length) * len(config.block_of(layer)) for layer in range(config.num_layers)
    )
    attention = _PASSES * 2 * 2.0 * size * pairs + blocks * _of_distances(config, length)
    return FlopsPerToken(_PASSES * 2.0 * weights, attention, 0.0)


def _outside_blocks(config: EncoderConfig) -> float:
    """Multiplications a token of the embeddings' projection and the convolution."""
    size, projection, convolution = config.hidden_size, 0.0, 0.0
    if config.embedding_size is not None:
        projection = config.embedding_size * size
    if config.convolution is not None:
        convolution = config.convolution * size * size / config.convolution_groups
    return projection + convolution


def _seen(config: EncoderConfig, layer: int, length: float) -> float:
    """How many tokens one sees in a layer, on average."""
    if config.window is None or not config.has_window(layer):
        return length
    reach = min(config.window, length - 1)
    return 1 + 2 * reach - reach * (reach + 1) / length  # less what lies beyond both ends


def _of_distances(config: EncoderConfig, length: float) -> float:
    """Operations a token of one block for relative positions, forward and backward.

    Learned distances are projected once a batch, which is not counted here.
    """
    positions, size = config.positions, config.hidden_size
    if isinstance(positions, Relative):
        rows = 2 * positions.max_distance + 1
        return _PASSES_OF_TABLES * 2 * 2.0 * size * rows  # to scores and to values
    if isinstance(positions, Disentangled):
        reached = min(2 * positions.span, 2 * (length - 1) + 1)
        return _PASSES * len(positions.terms) * 2.0 * size * reached
    return 0.0
