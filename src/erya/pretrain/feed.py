"""What a recipe makes of shards: sequences, training batches, held-out batches by kind of masking."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.data.batches import PackedBatch
from erya.data.shards import Shards
from erya.data.splits import Split
from erya.errors import ConfigError, InputError
from erya.pretrain.masking.masker import Masker
from erya.pretrain.masking.patterns import Patterns
from erya.pretrain.masking.rate import Rate
from erya.pretrain.masking.recipe import UnitName
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.source import MaskedSource, held_out_batches
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.protocols import Tell

_HELD_OUT_SEED = 0  # not the recipe's: runs with different seeds are scored on the same masks


def cut_split(
    shards: Shards, split: Split, recipe: PretrainRecipe, tokenizer: Tokenizer, *, tell: Tell
) -> ShardSequences:
    """Cut a split of the shards into sequences and say what became of it.

    Args:
        shards: those of the split.
        split: its name.
        recipe: how long sequences are, and which pairs of texts there are.
        tokenizer: of the shards.
        tell: is given the counts.
    Raises:
        ConfigError: pairs are asked for that the shards do not have.
        InputError: there is nothing to train on.
    """
    made = ShardSequences(
        shards.shards,
        max_length=recipe.data.max_length,
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
        pairs=recipe.objective.pairs,
        parallel=_parallel_share(shards, split, recipe),
        seed=recipe.train.seed if split == "train" else _HELD_OUT_SEED,
        vocab_size=tokenizer.vocab_size,
    )
    _require_pairs(made, shards, split, recipe)
    found = made.sequences
    if split == "train" and not len(found):
        raise InputError(
            f"the shards give no sequence to train on: {shards.num_tokens:,} tokens, "
            f"{found.dropped_fragments:,} fragments too short",
            where=str(shards.directory),
            hint="make shards of more text",
        )
    pairs = f" ({made.num_pairs:,} of two texts)" if made.num_pairs else ""
    tell(
        f"{split}: {len(found):,} sequences{pairs}, {found.num_tokens:,} tokens; left out: "
        f"{found.dropped_fragments:,} fragments, {found.dropped_tokens:,} tokens; "
        f"{found.split_sentences:,} sequences end inside a sentence"
    )
    return made


def training_source(
    sequences: ShardSequences,
    recipe: PretrainRecipe,
    tokenizer: Tokenizer,
    *,
    similar: NDArray[np.int32] | None = None,
) -> MaskedSource:
    """The training batches of a recipe.

    Args:
        sequences: of the training text.
        recipe: how large batches are, what is masked and how it is seen.
        tokenizer: of the shards.
        similar: which tokens may stand for each other, shape (vocabulary, K); needed with a share of them.
    Raises:
        ConfigError: there is nothing to train on, or a sequence is larger than a batch.
    """
    train, shares = recipe.train, recipe.patterns.shares
    rate, unit = recipe.masking.prob.rate, recipe.masking.unit
    return MaskedSource(
        sequences,
        _masker(recipe, tokenizer, rate=rate, unit=unit, similar=similar, seed=train.seed),
        batch_tokens=train.batch_tokens,
        seed=train.seed,
        ramp=None if train.batch_ramp is None else train.batch_ramp.ramp(),
        patterns=None if recipe.patterns.is_plain else Patterns(shares, seed=train.seed),
    )


def held_out_kinds(
    recipe: PretrainRecipe,
    tokenizer: Tokenizer,
    *,
    similar: NDArray[np.int32] | None = None,
    tell: Tell,
) -> dict[str, list[PackedBatch]]:
    """Held-out batches for every kind of masking that the recipe scores: the same text, other masks.

    Tokens are replaced as in training, the share of them is `evaluation.prob`, and all tokens see all.

    Returns:
        Batches by the name of the unit of masking, in the recipe's order; empty if there is no held-out text.
    """
    shards = Shards.open(Path(recipe.data.shards), split="heldout")
    sequences = cut_split(shards, "heldout", recipe, tokenizer, tell=tell)
    if not len(sequences.lengths):
        tell("warning: the shards have no held-out text, so nothing will say how good the model is")
        return {}
    if not recipe.patterns.both:
        tell(
            "warning: held-out text is scored with all tokens seeing all, which the model never learns with "
            "patterns.both=0: its numbers compare such runs with each other only"
        )
    found: dict[str, list[PackedBatch]] = {}
    prob = recipe.evaluation.prob
    for unit in recipe.evaluation.units:
        masker = _masker(
            recipe, tokenizer, rate=Rate(prob, prob, 0), unit=unit, similar=similar, seed=_HELD_OUT_SEED
        )
        found[unit] = held_out_batches(
            sequences, masker, max_tokens=recipe.evaluation.max_tokens, seed=_HELD_OUT_SEED
        )
    return found


def _masker(
    recipe: PretrainRecipe,
    tokenizer: Tokenizer,
    *,
    rate: Rate,
    unit: UnitName,
    similar: NDArray[np.int32] | None,
    seed: int,
) -> Masker:
    return Masker(
        prob=rate,
        units=recipe.masking.units_of(unit),
        shares=recipe.masking.replace.shares,
        similar=similar,
        vocab_size=tokenizer.vocab_size,
        special_ids=tokenizer.special_ids | {tokenizer.unk_id},
        mask_id=tokenizer.mask_id,
        seed=seed,
    )


def _parallel_share(shards: Shards, split: Split, recipe: PretrainRecipe) -> float:
    """The share of parallel pairs laid out as two texts: all that there are, unless the recipe says it."""
    num_pairs = sum(shard.info.pairs for shard in shards.shards)
    share = recipe.data.parallel
    if share is None:
        return float(num_pairs > 0 and recipe.objective.pairs == "none")
    if share and not num_pairs and split == "train":
        raise ConfigError(
            f"data.parallel is {share:g}, but the shards have no parallel pairs",
            where=str(shards.directory),
            hint="set data.parallel=null, or make shards of documents with pairs",
        )
    return share if num_pairs else 0.0


def _require_pairs(made: ShardSequences, shards: Shards, split: Split, recipe: PretrainRecipe) -> None:
    if recipe.objective.pairs != "none" and split == "train" and shards.num_tokens and not made.num_pairs:
        raise ConfigError(
            f"objective.pairs is {recipe.objective.pairs}, but no document gives two texts that fit",
            where=str(shards.directory),
            hint="set objective.pairs=none, or raise data.max_length",
        )
