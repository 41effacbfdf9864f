"""The packed encoder.

N tokens, S sequences, L longest length, H width.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from erya.models.config import EncoderConfig
from erya.models.outputs import EncoderOutput
from erya.models.parts import (
    make_blocks,
    make_convolution,
    make_distances,
    make_embeddings,
    make_norm,
    make_pooler,
)
from erya.models.positions import Absolute
from erya.nn.attention import BackendName
from erya.nn.block import PostNormBlock
from erya.nn.layout import Layout, layout_of
from erya.nn.packing import PackedTensors, repad
from erya.nn.pooling import pool_tokens
from erya.nn.shapes import rounded_up


class Encoder(nn.Module):
    """Embeddings and a stack of blocks over a flat run of tokens.

    Args:
        config: sizes and options.
        pooler: whether to have the dense layer on each sequence's pooled state.
        attention_backend: which attention kernel; `auto` picks the best that can.
        checkpoint_activations: whether training keeps each block's input alone and computes the block again
            in the backward pass: less memory, a third more time, the same losses and gradients to the last
            bit. May be changed later, by the attribute of the same name.
    Source: Devlin et al. 2019, BERT: Pre-training of Deep Bidirectional Transformers; the parts name theirs;
        checkpoints: Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost.
    """

    def __init__(
        self,
        config: EncoderConfig,
        *,
        pooler: bool = True,
        attention_backend: BackendName = "auto",
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        self.config, self.attention_backend = config, attention_backend
        self.checkpoint_activations = checkpoint_activations
        # Whether few shapes are wanted whatever the device: `erya.models.compiled` sets it.
        self.round_shapes = False
        self.embeddings = make_embeddings(config)
        self.distances = make_distances(config)
        self.blocks = make_blocks(config, attention_backend)
        self.convolution = make_convolution(config)
        self.norm = make_norm(config, config.hidden_size) if config.pre_norm else nn.Identity()
        self.pooler = make_pooler(config) if pooler else None
        self._order = [index for layer in range(config.num_layers) for index in config.block_of(layer)]

    def forward(
        self,
        batch: PackedTensors,
        *,
        rows: Tensor | None = None,
        keep_all_hidden: bool = False,
        keep_attentions: bool = False,
    ) -> EncoderOutput:
        """Encode a batch.

        Args:
            batch: the packed sequences.
            rows: the tokens whose states are wanted, int64, shape (R,): what follows the last block's
                attention is computed for them alone, and `hidden` is (R, H); None: all, in their order.
            keep_all_hidden: whether to return every block's states too.
            keep_attentions: whether to return every block's attention probabilities too; slower.
        Raises:
            ValueError: a sequence is longer than the encoder can take, or the states of all blocks are asked
                for of some rows only.
        """
        if rows is not None and keep_all_hidden:
            raise ValueError("keep_all_hidden keeps the states of all tokens: it does not go with rows")
        hidden, layout = self._embed(batch)
        states = [hidden]
        probs: list[list[Tensor]] | None = [] if keep_attentions else None
        for state in self._run(hidden, layout, rows=self._rounded(rows), probs=probs):
            states = [*states, state] if keep_all_hidden else [state]
        states[-1] = self.norm(states[-1])
        num_tokens = len(batch.ids)
        all_hidden = tuple(state[:num_tokens] for state in states) if keep_all_hidden else None
        attentions = None if probs is None else tuple(_by_sequence(of, batch, layout) for of in probs)
        # Rows beyond those wanted are idle.
        hidden = states[-1][: num_tokens if rows is None else len(rows)]
        return EncoderOutput(hidden, all_hidden, attentions)

    def pooled(self, batch: PackedTensors) -> Tensor:
        """One vector a sequence, shape (S, H): `pool(forward(batch), batch)`, but cheaper where it can be.

        Where only first tokens are pooled, the last block computes its feed-forward layer for them alone.

        Raises:
            ValueError: the encoder was built or opened without a pooler, or a sequence is too long.
        """
        self._require_pooler()
        if self.config.pooler.pooling != "first":
            return self.pool(self(batch), batch)
        firsts = self(batch, rows=batch.bounds[:-1].long()).hidden
        vectors: Tensor = self.pooler(firsts)  # type: ignore[misc]  # required above
        return vectors

    def pool(self, output: EncoderOutput, batch: PackedTensors) -> Tensor:
        """One vector a sequence, shape (S, H).

        Raises:
            ValueError: the encoder was built or opened without a pooler.
        """
        self._require_pooler()
        states = pool_tokens(output.hidden, batch, pooling=self.config.pooler.pooling)
        pooled: Tensor = self.pooler(states)  # type: ignore[misc]  # required above
        return pooled

    def padded(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        *,
        task_type_ids: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """Encode a padded batch as `transformers` does; only kept positions are computed.

        Args:
            input_ids: shape (S, L).
            attention_mask: True or 1 at kept positions, shape (S, L); each row keeps at least one.
            token_type_ids, task_type_ids: shape (S, L); zeros when None.
        Returns:
            (last_hidden_state, pooler_output), shapes (S, L, H) and (S, H); zeros at positions not kept.
            pooler_output is None when the encoder has no pooler.
        Raises:
            ValueError: a row keeps nothing, or a sequence is longer than the encoder can take.
        """
        batch = self.pack(input_ids, attention_mask, token_type_ids, task_type_ids=task_type_ids)
        output = self(batch)
        pooled = None if self.pooler is None else self.pool(output, batch)
        return repad(output.hidden, attention_mask), pooled

    def pack(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        token_type_ids: Tensor | None = None,
        *,
        position_ids: Tensor | None = None,
        task_type_ids: Tensor | None = None,
    ) -> PackedTensors:
        """A padded batch, as `transformers` has it, packed; see `padded`.

        Args:
            position_ids: from 0, shape (S, L); None: as this encoder counts them.
        Raises:
            ValueError: a row keeps nothing.
        """
        if not bool(attention_mask.bool().any(dim=1).all()):
            raise ValueError("every row of attention_mask must keep at least one position")
        types = torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids
        if position_ids is None:
            position_ids = self._padded_positions(input_ids)
        return PackedTensors.from_padded(
            input_ids, attention_mask, types, position_ids=position_ids, task_ids=task_type_ids
        )

    def _padded_positions(self, input_ids: Tensor) -> Tensor | None:
        """Where positions begin behind those kept for padding, only what is no padding counts."""
        positions = self.config.positions
        if not isinstance(positions, Absolute) or positions.first == 0:
            return None
        real = input_ids != self.config.pad_id
        return real.cumsum(dim=1) * real - 1

    def _run(
        self,
        hidden: Tensor,
        layout: Layout,
        *,
        rows: Tensor | None = None,
        probs: list[list[Tensor]] | None = None,
    ) -> Iterable[Tensor]:
        """The states after each block; of the last one only `rows`, where given."""
        last = len(self._order) - 1
        for step, index in enumerate(self._order):
            block = self.blocks[index]
            assert isinstance(block, PostNormBlock), "a block is one of erya.nn.block"
            if step == 0 and self.convolution is not None:
                hidden = self.convolution(hidden, self._through(block, hidden, layout, probs=probs), layout)
                hidden = hidden if rows is None or last > 0 else hidden.index_select(0, rows)
            else:
                wanted = rows if step == last else None
                hidden = self._through(block, hidden, layout, rows=wanted, probs=probs)
            yield hidden

    def _through(
        self,
        block: PostNormBlock,
        hidden: Tensor,
        layout: Layout,
        *,
        rows: Tensor | None = None,
        probs: list[list[Tensor]] | None = None,
    ) -> Tensor:
        # A block computed again would hand its probabilities out again.
        if self.checkpoint_activations and torch.is_grad_enabled() and probs is None:
            states: Tensor = checkpoint(block, hidden, layout, rows=rows, use_reentrant=False)
        else:
            states = block(hidden, layout, rows=rows, probs=probs)
        return states

    def _rounds(self, device_type: str) -> bool:
        """Whether batches are to share shapes: so compiled blocks and half precision on a CPU want it."""
        return self.round_shapes or (device_type == "cpu" and torch.is_autocast_enabled(device_type))

    def _rounded(self, rows: Tensor | None) -> Tensor | None:
        """As many rows as other batches have, too; those added are idle."""
        if rows is None or not self._rounds(rows.device.type):
            return rows
        return functional.pad(rows, (0, rounded_up(max(len(rows), 1), steps_per_octave=16) - len(rows)))

    def _embed(self, batch: PackedTensors) -> tuple[Tensor, Layout]:
        """The blocks' input, shape (rows of the layout, H), and where its sequences are."""
        self._require_short(batch)
        device = batch.ids.device.type
        half = torch.is_autocast_enabled(device)
        layout = layout_of(batch, round_shapes=self._rounds(device))
        if self.distances is not None:
            # Where positions have gaps, how far apart two can be is known for the encoder alone.
            longest = self.config.max_positions if layout.has_gaps else layout.max_length - 1
            layout = replace(layout, distances=self.distances(longest))
        hidden = self.embeddings(batch)
        if half:
            # From here on all states are in autocast's format: mixed sums would be cast at every block.
            hidden = hidden.to(torch.get_autocast_dtype(device))
        return functional.pad(hidden, (0, 0, 0, layout.num_rows - len(hidden))), layout

    def _require_short(self, batch: PackedTensors) -> None:
        longest = self.config.max_positions
        if batch.max_length > longest:
            raise ValueError(
                f"a sequence has {batch.max_length} tokens; this encoder takes at most {longest}, special"
                " tokens included"
            )

    def _require_pooler(self) -> None:
        if self.pooler is None:
            raise ValueError("this encoder has no pooler")


def _by_sequence(groups: list[Tensor], batch: PackedTensors, layout: Layout) -> tuple[Tensor, ...]:
    """The probabilities of each sequence in the batch's order, shape (heads, length, length) each."""
    laid = [of_sequence for group in groups for of_sequence in group]
    found = dict(zip(layout.order, laid, strict=True))
    return tuple(found[s][:, :length, :length] for s, length in enumerate(batch.lengths))
