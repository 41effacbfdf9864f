"""Tokens hidden while training.

N tokens.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from erya.nn.packing import PackedTensors
from erya.tasks.craft.recipe import WordDropoutRecipe
from erya.tokenizer.any_tokenizer import AnyTokenizer


class WordDropout(nn.Module):
    """Puts [MASK] or [UNK] in the place of some tokens, drawn as dropout is.

    Args:
        recipe: how many, and by what.
        tokenizer: knows which tokens are markup, which stays.
    Source: Dai & Le 2015, Semi-supervised Sequence Learning, section 2.
    """

    kept: Tensor

    def __init__(self, recipe: WordDropoutRecipe, tokenizer: AnyTokenizer) -> None:
        super().__init__()
        self._prob = recipe.prob
        self._id = tokenizer.mask_id if recipe.token == "mask" else tokenizer.unk_id
        ids = torch.tensor(sorted(tokenizer.special_ids), dtype=torch.int64)
        self.register_buffer("kept", ids, persistent=False)

    def forward(self, batch: PackedTensors) -> PackedTensors:
        """The batch with tokens hidden, of which there are as many as before."""
        drawn = torch.rand(batch.ids.shape, device=batch.ids.device) < self._prob
        hidden = drawn & ~torch.isin(batch.ids, self.kept)
        return replace(batch, ids=batch.ids.masked_fill(hidden, self._id))
