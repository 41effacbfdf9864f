"""What an encoder is made of."""

from __future__ import annotations

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.nn.activation import Activation


class EncoderConfig(StrictModel):
    """Sizes and options of a BERT encoder; the defaults are BERT-base's.

    Attributes:
        vocab_size: rows of the token embedding.
        hidden_size: width of every token's state.
        num_layers: blocks.
        num_heads: attention heads, a divisor of `hidden_size`.
        intermediate_size: inner width of the feed-forward layer.
        max_positions: longest sequence in tokens, special tokens included.
        num_segments: kinds of segment.
        activation: the feed-forward layer's non-linearity.
        dropout_prob: of embeddings and of each part's output, in [0, 1).
        attention_dropout_prob: of attention probabilities, in [0, 1).
        layer_norm_eps: added to the variance.
        initializer_range: standard deviation of fresh weights.
        pad_id: id of [PAD]; only padded façades use it.
    """

    vocab_size: int = Field(gt=0)
    hidden_size: int = Field(768, gt=0)
    num_layers: int = Field(12, ge=1)
    num_heads: int = Field(12, ge=1)
    intermediate_size: int = Field(3072, gt=0)
    max_positions: int = Field(512, gt=2)
    num_segments: int = Field(2, ge=1)
    activation: Activation = "gelu"
    dropout_prob: float = Field(0.1, ge=0.0, lt=1.0)
    attention_dropout_prob: float = Field(0.1, ge=0.0, lt=1.0)
    layer_norm_eps: float = Field(1e-12, ge=0.0)
    initializer_range: float = Field(0.02, gt=0.0)
    pad_id: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _heads_divide_the_width(self) -> EncoderConfig:
        if self.hidden_size % self.num_heads:
            raise ValueError(f"num_heads {self.num_heads} does not divide hidden_size {self.hidden_size}")
        return self
