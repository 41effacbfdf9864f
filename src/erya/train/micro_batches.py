"""How a global batch is cut so that its pieces fit into memory; what is learnt from it stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import torch

from erya.data.batches import PackedBatch
from erya.data.plan import Share
from erya.errors import TrainingError
from erya.train.memory import free_bytes, guess_tokens, kept_bytes
from erya.train.parallel import Spread
from erya.train.protocols import Source, Tell, Trainable, WholeBatches
from erya.train.recipe import TrainRecipe
from erya.train.state import RunState

# Of the sequences the guess is made from: enough that what a batch costs by itself hardly counts.
_TRIED_TOKENS = 1024


class MicroBatches:
    """The size of micro-batches: the recipe's, a guess, or what was left after memory ran out.

    Args:
        recipe: says the size, or `auto`.
        state: of the run; remembers a size that is not the recipe's, so that a resumed run is the same.
        spread: the module; its ranks share a global batch.
        device: whose memory it is.
        tell: is told the size that was found.
    Attributes:
        share: what this rank takes of every global batch, and in which pieces.
    """

    def __init__(
        self, recipe: TrainRecipe, state: RunState, *, spread: Spread, device: torch.device, tell: Tell
    ) -> None:
        self._recipe, self._state, self._spread = recipe, state, spread
        self._device, self._tell = device, tell
        said = None if recipe.micro_batch_tokens == "auto" else recipe.micro_batch_tokens
        ranks = spread.ranks
        self.share = Share(ranks.rank, ranks.num_ranks, state.micro_batch_tokens or said)

    def guess(self, trainable: Trainable, source: Source, autocast: AbstractContextManager[object]) -> None:
        """Where the recipe says `auto` and nothing was found yet: see what fits, on all ranks together.

        A few sequences are computed, what that keeps for the backward pass is counted, and twice as much a
        token is reckoned with.
        """
        if self._recipe.micro_batch_tokens != "auto" or self._state.micro_batch_tokens is not None:
            return
        few = replace(self.share, micro_batch_tokens=_TRIED_TOKENS)
        batch = source.batch(self._state.epoch, self._state.batch, few)[0]
        with autocast, self._spread.accumulating(is_last=False):
            kept = kept_bytes(self._spread, trainable.inputs(batch), self._spread.module)
        free = free_bytes(self._device)
        if free is None:
            self._tell("warning: the system does not say how much memory is free: batches are not cut")
            return
        tokens = guess_tokens(
            free=free // (self._spread.ranks.num_local if self._device.type == "cpu" else 1),
            num_parameters=sum(p.numel() for p in self._spread.module.parameters() if p.requires_grad),
            bytes_a_token=max(1.0, kept / batch.num_tokens),
        )
        self._use(self._least(min(tokens, self._recipe.batch_tokens)))
        self._tell(
            f"micro-batches of {self.share.micro_batch_tokens:,} tokens: a token keeps about "
            f"{kept / batch.num_tokens / 1024:,.0f} KiB, {free / 2**30:,.1f} GiB are free"
        )

    def halve(self, micro_batches: Sequence[PackedBatch], trainable: Trainable, *, cause: str) -> None:
        """Use smaller micro-batches from now on, since `micro_batches` did not fit.

        Args:
            micro_batches: of the step that failed.
            cause: what the system said.
            trainable: may say that its batches may not be cut.
        Raises:
            TrainingError: they cannot be cut further, may not be, or other ranks wait for this one amid a
                step.
        """
        largest = max(batch.num_tokens for batch in micro_batches)
        if isinstance(trainable, WholeBatches) and trainable.whole_batches is not None:
            raise TrainingError(
                f"a batch of {largest} tokens does not fit into memory, and a part of it would have another "
                f"loss: {cause}",
                hint=trainable.whole_batches,
            )
        if all(batch.num_sequences == 1 for batch in micro_batches):
            raise TrainingError(
                f"a single sequence of {largest} tokens does not fit into memory: {cause}",
                hint="shorten the sequences, use a smaller model, or set train.checkpoint_activations=true",
            )
        tokens = max(1, largest // 2)
        if not self._spread.ranks.is_alone:
            raise TrainingError(
                f"micro-batches of {largest} tokens do not fit into memory: {cause}",
                hint=f"the same command with train.micro_batch_tokens={tokens} goes on from the checkpoint",
            )
        self._use(tokens)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        self._tell(
            f"warning: micro-batches of {largest:,} tokens do not fit into memory, so from step "
            f"{self._state.step + 1} on they have {tokens:,}: {cause}"
        )

    def _use(self, tokens: int) -> None:
        self._state.micro_batch_tokens = tokens
        self.share = replace(self.share, micro_batch_tokens=tokens)

    def _least(self, tokens: int) -> int:
        """The least of what the ranks say."""
        ranks = self._spread.ranks
        own = {f"{rank}": tokens if rank == ranks.rank else 0 for rank in range(ranks.num_ranks)}
        return min(ranks.sum_counts(own).values())
