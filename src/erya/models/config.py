"""What an encoder is made of."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.models.positions import Absolute, Positions
from erya.nn.activation import Activation

FamilyName = Literal[
    "bert",
    "ernie",
    "distilbert",
    "electra",
    "albert",
    "roberta",
    "xlm-roberta",
    "roformer",
    "nezha",
    "deberta-v2",
    "modernbert",
]


class PoolerConfig(StrictModel):
    """One vector a sequence: tokens pooled, a dense layer, an activation, perhaps a norm.

    Attributes:
        activation: after the dense layer.
        pooling: the first token's state, or the mean of all.
        bias: whether the dense layer has a bias.
        norm: whether the vector is normalised.
    """

    activation: Activation = "tanh"
    pooling: Literal["first", "mean"] = "first"
    bias: bool = True
    norm: bool = False


class EncoderConfig(StrictModel):
    """Sizes and options of an encoder; the defaults are BERT-base's. A family is a set of these options.

    Attributes:
        vocab_size: rows of the token embedding.
        hidden_size: width of every token's state.
        num_layers: blocks that a token goes through.
        num_heads: attention heads, a divisor of `hidden_size`.
        intermediate_size: inner width of the feed-forward layer.
        max_positions: longest sequence in tokens, special tokens included.
        num_segments: kinds of segment; 0 for none.
        activation: the feed-forward layer's non-linearity.
        dropout_prob: of embeddings and of each part's output, in [0, 1).
        attention_dropout_prob: of attention probabilities, in [0, 1).
        layer_norm_eps: added to the variance.
        initializer_range: standard deviation of fresh weights.
        pad_id: id of [PAD]; only padded façades use it.
        family: whose names and files a model directory is written with; changes nothing that is computed.
        positions: how an encoder knows where a token stands.
        embedding_size: width of the embeddings, projected to `hidden_size`; None: that width, no projection.
        norm_after_projection: whether embeddings are normalised after they are projected, not before.
        num_tasks: kinds of task, whose embedding is added to every token's; 0 for none.
        pre_norm: whether each part of a block normalises its input instead of its sum; the first block's
            attention does not, since embeddings are normalised already, and the last states are.
        gated: whether the feed-forward layer is gated.
        attention_bias, feedforward_bias, norm_bias: whether these layers have a bias.
        num_groups: how many groups of layers have weights of their own, each repeated for consecutive ones;
            None: every layer.
        group_size: blocks in a group, gone through one after the other at each repetition.
        window: tokens a token sees to either side; None: all.
        global_every: every so many blocks, the first among them, see all tokens in spite of `window`.
        convolution: tokens of the convolution added after the first block, odd; None for none.
        convolution_groups: channels apart in it.
        convolution_activation: its non-linearity.
        pooler: what makes one vector of a sequence.
        head_activation: the masked-language head's non-linearity; None: the feed-forward layer's.
        head_bias: whether the head's dense layer has a bias.
        dense_token_heads: whether heads on tokens begin with layers such as the pooler's.
    """

    vocab_size: int = Field(gt=0)
    hidden_size: int = Field(768, gt=0)
    num_layers: int = Field(12, ge=1)
    num_heads: int = Field(12, ge=1)
    intermediate_size: int = Field(3072, gt=0)
    max_positions: int = Field(512, gt=2)
    num_segments: int = Field(2, ge=0)
    activation: Activation = "gelu"
    dropout_prob: float = Field(0.1, ge=0.0, lt=1.0)
    attention_dropout_prob: float = Field(0.1, ge=0.0, lt=1.0)
    layer_norm_eps: float = Field(1e-12, ge=0.0)
    initializer_range: float = Field(0.02, gt=0.0)
    pad_id: int = Field(0, ge=0)
    family: FamilyName = "bert"
    positions: Positions = Absolute()
    embedding_size: int | None = Field(None, gt=0)
    norm_after_projection: bool = False
    num_tasks: int = Field(0, ge=0)
    pre_norm: bool = False
    gated: bool = False
    attention_bias: bool = True
    feedforward_bias: bool = True
    norm_bias: bool = True
    num_groups: int | None = Field(None, ge=1)
    group_size: int = Field(1, ge=1)
    window: int | None = Field(None, ge=1)
    global_every: int = Field(1, ge=1)
    convolution: int | None = Field(None, ge=1)
    convolution_groups: int = Field(1, ge=1)
    convolution_activation: Activation = "tanh"
    pooler: PoolerConfig = PoolerConfig()
    head_activation: Activation | None = None
    head_bias: bool = True
    dense_token_heads: bool = False

    @model_validator(mode="after")
    def _sizes_divide(self) -> Self:
        for name, size in self._divisors().items():
            if self.hidden_size % size:
                raise ValueError(f"{name} {size} does not divide hidden_size {self.hidden_size}")
        if self.num_groups is not None and self.num_groups > self.num_layers:
            raise ValueError(f"num_groups {self.num_groups} is more than num_layers {self.num_layers}")
        if self.convolution is not None and self.convolution % 2 == 0:
            raise ValueError(f"convolution {self.convolution} is even: it has no middle")
        if self.window is not None and self.num_groups is not None:
            raise ValueError("window and num_groups do not go together: a block has a window or it has not")
        return self

    @property
    def words_size(self) -> int:
        """Width of the token embedding."""
        return self.embedding_size or self.hidden_size

    def has_window(self, layer: int) -> bool:
        """Whether the tokens of a layer, from 0, see only their neighbours."""
        return self.window is not None and layer % self.global_every != 0

    def block_of(self, layer: int) -> list[int]:
        """Which blocks with weights of their own, from 0, a token goes through in a layer, from 0."""
        groups = self.num_groups or self.num_layers
        group = int(layer / (self.num_layers / groups))  # as ALBERT's own code does, uneven shares too
        return list(range(group * self.group_size, (group + 1) * self.group_size))

    def _divisors(self) -> dict[str, int]:
        return {"num_heads": self.num_heads, "convolution_groups": self.convolution_groups}
