"""The parts of an encoder, made as its configuration says."""

from __future__ import annotations

from torch import nn

from erya.models.config import EncoderConfig
from erya.models.positions import Absolute, Disentangled, Relative, Rotary
from erya.nn.attention import BackendName, SelfAttention
from erya.nn.block import PostNormBlock, PreNormBlock
from erya.nn.convolution import TokenConvolution
from erya.nn.embeddings import Embeddings
from erya.nn.feedforward import FeedForward, GatedFeedForward
from erya.nn.pooling import Pooler
from erya.nn.relative import DisentangledDistances, DistanceEmbeddings, SinusoidDistances
from erya.nn.rotary import RotaryTurn


def make_embeddings(config: EncoderConfig) -> Embeddings:
    """What turns tokens into the first block's input."""
    size, positions = config.words_size, config.positions
    is_absolute = isinstance(positions, Absolute) or (
        isinstance(positions, Disentangled) and positions.absolute
    )
    first = positions.first if isinstance(positions, Absolute) else 0
    projection = None
    if config.embedding_size is not None:
        # Before a norm, which has a bias of its own, another would be idle.
        projection = nn.Linear(size, config.hidden_size, bias=not config.norm_after_projection)
    return Embeddings(
        config.vocab_size,
        size,
        num_positions=config.max_positions + first if is_absolute else 0,
        first_position=first,
        num_segments=config.num_segments,
        num_tasks=config.num_tasks,
        norm=make_norm(config, config.hidden_size if config.norm_after_projection else size),
        dropout_prob=config.dropout_prob,
        projection=projection,
        norm_after_projection=config.norm_after_projection,
    )


def make_blocks(config: EncoderConfig, backend: BackendName) -> nn.ModuleList:
    """Every block with weights of its own, in the order of first use."""
    turns = make_turns(config)
    number = (config.num_groups or config.num_layers) * config.group_size
    return nn.ModuleList(_make_block(config, index, turns, backend) for index in range(number))


def make_turns(config: EncoderConfig) -> dict[bool, RotaryTurn | None]:
    """Rotary positions of blocks with a window (True) and without; they share one where they can."""
    positions = config.positions
    if not isinstance(positions, Rotary):
        return {True: None, False: None}

    def turn(base: float) -> RotaryTurn:
        return RotaryTurn(
            config.hidden_size // config.num_heads,
            config.max_positions,
            base=base,
            interleaved=positions.interleaved,
            values=positions.values,
        )

    everywhere = turn(positions.base)
    local = positions.local_base
    return {False: everywhere, True: everywhere if local in (None, positions.base) else turn(local)}


def make_distances(config: EncoderConfig) -> DistanceEmbeddings | None:
    """The embeddings of distances that all blocks share, if there are any."""
    positions = config.positions
    if not isinstance(positions, Disentangled):
        return None
    eps = config.layer_norm_eps if positions.norm else None
    return DistanceEmbeddings(
        config.hidden_size,
        max_distance=positions.max_distance,
        num_buckets=positions.num_buckets,
        norm_eps=eps,
    )


def make_convolution(config: EncoderConfig) -> TokenConvolution | None:
    """What is added after the first block, if anything."""
    if config.convolution is None:
        return None
    return TokenConvolution(
        config.hidden_size,
        config.convolution,
        groups=config.convolution_groups,
        activation=config.convolution_activation,
        norm_eps=config.layer_norm_eps,
        dropout_prob=config.dropout_prob,
    )


def make_pooler(config: EncoderConfig) -> Pooler:
    """What makes one vector of a sequence's pooled state."""
    pooler = config.pooler
    norm = make_norm(config, config.hidden_size) if pooler.norm else None
    return Pooler(config.hidden_size, activation=pooler.activation, bias=pooler.bias, norm=norm)


def make_token_transform(config: EncoderConfig) -> nn.Module:
    """What heads on tokens do to states first."""
    return make_pooler(config) if config.dense_token_heads else nn.Identity()


def make_norm(config: EncoderConfig, size: int) -> nn.LayerNorm:
    """A norm over so many channels."""
    return nn.LayerNorm(size, eps=config.layer_norm_eps, bias=config.norm_bias)


def _make_block(
    config: EncoderConfig, index: int, turns: dict[bool, RotaryTurn | None], backend: BackendName
) -> PostNormBlock:
    size, has_window = config.hidden_size, config.has_window(index)
    attention = SelfAttention(
        size,
        config.num_heads,
        dropout_prob=config.attention_dropout_prob,
        bias=config.attention_bias,
        turn=turns[has_window],
        relative=_make_relative(config),
        window=config.window if has_window else None,
        backend=backend,
    )
    feedforward = (GatedFeedForward if config.gated else FeedForward)(
        size, config.intermediate_size, activation=config.activation, bias=config.feedforward_bias
    )
    is_normed = config.pre_norm and index == 0  # embeddings are normalised already
    return (PreNormBlock if config.pre_norm else PostNormBlock)(
        attention,
        feedforward,
        attention_norm=nn.Identity() if is_normed else make_norm(config, size),
        feedforward_norm=make_norm(config, size),
        dropout_prob=config.dropout_prob,
    )


def _make_relative(config: EncoderConfig) -> SinusoidDistances | DisentangledDistances | None:
    positions = config.positions
    if isinstance(positions, Relative):
        return SinusoidDistances(config.hidden_size // config.num_heads, positions.max_distance)
    if not isinstance(positions, Disentangled):
        return None
    return DisentangledDistances(
        config.hidden_size,
        config.num_heads,
        terms=positions.terms,
        shared_projections=positions.shared_projections,
        max_distance=positions.max_distance,
        num_buckets=positions.num_buckets,
        dropout_prob=config.dropout_prob,
    )
