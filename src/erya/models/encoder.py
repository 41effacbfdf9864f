"""The packed encoder.

N tokens, S sequences, L longest length, H width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from erya.models.config import EncoderConfig
from erya.models.outputs import EncoderOutput
from erya.nn.attention import BackendName, SelfAttention
from erya.nn.block import PostNormBlock
from erya.nn.embeddings import Embeddings
from erya.nn.feedforward import FeedForward
from erya.nn.layout import Layout, layout_of
from erya.nn.packing import PackedTensors, repad
from erya.nn.pooling import FirstTokenPooler


class Encoder(nn.Module):
    """Embeddings and a stack of blocks over a flat run of tokens.

    Args:
        config: sizes and options.
        pooler: whether to have the dense layer on the first token.
        attention_backend: which attention kernel; `auto` picks the best that can.
    Source: Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers.
    """

    def __init__(
        self, config: EncoderConfig, *, pooler: bool = True, attention_backend: BackendName = "auto"
    ) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(
            config.vocab_size,
            config.hidden_size,
            max_positions=config.max_positions,
            num_segments=config.num_segments,
            norm_eps=config.layer_norm_eps,
            dropout_prob=config.dropout_prob,
        )
        self.blocks = nn.ModuleList(_block(config, attention_backend) for _ in range(config.num_layers))
        self.pooler = FirstTokenPooler(config.hidden_size) if pooler else None

    def forward(self, batch: PackedTensors, *, keep_all_hidden: bool = False) -> EncoderOutput:
        """Encode a batch.

        Args:
            batch: the packed sequences.
            keep_all_hidden: whether to return every block's states too.
        """
        hidden, layout = self._embed(batch)
        states = [hidden]
        for block in self.blocks:
            hidden = block(hidden, layout)
            if keep_all_hidden:
                states.append(hidden)
        num_tokens = len(batch.ids)
        all_hidden = tuple(state[:num_tokens] for state in states) if keep_all_hidden else None
        return EncoderOutput(hidden[:num_tokens], all_hidden)

    def pooled(self, batch: PackedTensors) -> Tensor:
        """One vector a sequence, shape (S, H): `pool(forward(batch), batch)`, but cheaper.

        Only first tokens are pooled, so the last block computes its feed-forward layer for them alone.

        Raises:
            ValueError: the encoder was built or opened without a pooler.
        """
        if self.pooler is None:
            raise ValueError("this encoder has no pooler")
        hidden, layout = self._embed(batch)
        *blocks, last = self.blocks
        for block in blocks:
            hidden = block(hidden, layout)
        vectors: Tensor = self.pooler(last(hidden, layout, rows=batch.bounds[:-1].long()))
        return vectors

    def _embed(self, batch: PackedTensors) -> tuple[Tensor, Layout]:
        """The blocks' input, shape (rows of the layout, H), and where its sequences are."""
        device = batch.ids.device.type
        half = torch.is_autocast_enabled(device)
        layout = layout_of(batch, round_shapes=half and device == "cpu")
        hidden = self.embeddings(batch)
        if half:
            # From here on all states are in autocast's format: mixed sums would be cast at every block.
            hidden = hidden.to(torch.get_autocast_dtype(device))
        return functional.pad(hidden, (0, 0, 0, layout.num_rows - len(hidden))), layout

    def pool(self, output: EncoderOutput, batch: PackedTensors) -> Tensor:
        """One vector a sequence, shape (S, H).

        Raises:
            ValueError: the encoder was built or opened without a pooler.
        """
        if self.pooler is None:
            raise ValueError("this encoder has no pooler")
        pooled: Tensor = self.pooler(output.hidden.index_select(0, batch.bounds[:-1].long()))
        return pooled

    def padded(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Encode a padded batch as `transformers` does; only kept positions are computed.

        Args:
            input_ids: shape (S, L).
            attention_mask: True or 1 at kept positions, shape (S, L); each row keeps its first.
            token_type_ids: shape (S, L); zeros when None.
        Returns:
            (last_hidden_state, pooler_output), shapes (S, L, H) and (S, H); zeros at positions not kept.
            pooler_output is None when the encoder has no pooler.
        Raises:
            ValueError: a row keeps nothing.
        """
        if not bool(attention_mask.bool().any(dim=1).all()):
            raise ValueError("every row of attention_mask must keep at least one position")
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        batch = PackedTensors.from_padded(input_ids, attention_mask, types)
        output = self(batch)
        pooled = None if self.pooler is None else self.pool(output, batch)
        return repad(output.hidden, attention_mask), pooled


def _block(config: EncoderConfig, backend: BackendName) -> PostNormBlock:
    attention = SelfAttention(
        config.hidden_size, config.num_heads, dropout_prob=config.attention_dropout_prob, backend=backend
    )
    feedforward = FeedForward(config.hidden_size, config.intermediate_size, activation=config.activation)
    return PostNormBlock(
        attention,
        feedforward,
        size=config.hidden_size,
        dropout_prob=config.dropout_prob,
        norm_eps=config.layer_norm_eps,
    )
