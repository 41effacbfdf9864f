"""Everything before the first step: shards opened and cut, the models built, mistakes found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from erya.bundled import located
from erya.checkpoints.huggingface import CONFIG_FILE
from erya.checkpoints.weights import find_weights
from erya.data.batches import PackedBatch
from erya.data.shards import MANIFEST, Shards
from erya.files import sha256_of
from erya.pretrain.baseline import bigram_accuracy
from erya.pretrain.feed import cut_split, held_out_kinds, training_source
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.similarity import fingerprint_of, similar_tokens
from erya.pretrain.source import MaskedSource
from erya.pretrain.start import build_start
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.protocols import Tell
from erya.train.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a run trains and what on.

    Attributes:
        tokenizer: of the shards.
        objective: the models and how they are scored.
        lacks_head: whether the head of the model to go on from is new.
        has_held_out: whether there is text to score on.
        source: the training data.
        training_tokens: of the shards, special tokens not counted.
        baseline: a bigram model's accuracy on the held-out masks, in [0, 1]; None where nobody asked.
        fingerprints: what must not change under a run that is resumed.
    """

    tokenizer: Tokenizer
    objective: PretrainObjective
    lacks_head: bool
    has_held_out: bool
    source: MaskedSource
    training_tokens: int
    baseline: float | None
    fingerprints: Mapping[str, str]


def prepare(recipe: PretrainRecipe, directory: Path, *, ranks: Ranks, tell: Tell) -> Prepared:
    """Open, cut, build and look; every mistake in the data and the recipe shows here.

    Args:
        recipe: what to do.
        directory: the run directory; a table of similar tokens is kept there.
        ranks: the processes of the run.
        tell: is given sentences a user should read.
    Raises:
        InputError: the shards cannot be used.
        CheckpointError: a model that the recipe names cannot be used.
        ConfigError: the recipe makes no sense for these shards.
    """
    training = Shards.open(Path(recipe.data.shards), split="train")
    tokenizer = Tokenizer.open(training.tokenizer_directory)
    training.require_tokenizer(tokenizer.hash, of=str(training.tokenizer_directory))
    start = build_start(recipe, tokenizer, tell=tell)
    sequences = cut_split(training, "train", recipe, tokenizer, tell=tell)
    _tell_of_ranks(recipe, sequences.lengths, ranks, tell)
    similar = similar_tokens(recipe, training.shards, tokenizer, directory, tell=tell)
    held_out = held_out_kinds(recipe, tokenizer, similar=similar, tell=tell)
    return Prepared(
        tokenizer=tokenizer,
        objective=PretrainObjective(start.module, held_out=held_out, ranks=ranks),
        lacks_head=start.lacks_head,
        has_held_out=bool(held_out),
        source=training_source(sequences, recipe, tokenizer, similar=similar),
        training_tokens=sequences.sequences.num_tokens,
        baseline=_baseline(recipe, sequences, next(iter(held_out.values()), []), tokenizer, tell),
        fingerprints=_fingerprints(recipe, similar),
    )


def _tell_of_ranks(recipe: PretrainRecipe, lengths: NDArray[np.integer], ranks: Ranks, tell: Tell) -> None:
    """Say where processes would have nothing to do, or a recipe is for more of them."""
    kind, ramp = recipe.train.parallel.kind, recipe.train.batch_ramp
    if ranks.is_alone:
        if kind != "ddp":
            tell(
                f"warning: train.parallel.kind={kind} does nothing: this process is alone, "
                "torchrun starts several"
            )
        return
    tokens = recipe.train.batch_tokens if ramp is None else ramp.from_tokens
    sequences = min(len(lengths), int(tokens / lengths.mean()))
    if sequences < ranks.num_ranks:
        tell(
            f"warning: a batch has about {sequences} sequences for {ranks.num_ranks} processes, so some "
            "compute nothing: raise train.batch_tokens, or start fewer processes"
        )


def _baseline(
    recipe: PretrainRecipe,
    sequences: ShardSequences,
    held_out: Sequence[PackedBatch],
    tokenizer: Tokenizer,
    tell: Tell,
) -> float | None:
    """What a model must beat to have learnt more than which characters stand side by side."""
    if not recipe.evaluation.baseline or not held_out:
        return None
    ids = {"vocab_size": tokenizer.vocab_size, "mask_id": tokenizer.mask_id}
    accuracy = bigram_accuracy(sequences, held_out, **ids)
    tell(f"heldout: a bigram model guesses {accuracy:.1%} of the masked tokens")
    return accuracy


def _fingerprints(recipe: PretrainRecipe, similar: NDArray[np.int32] | None) -> dict[str, str]:
    """What must not change under a run that is resumed. The manifest holds a hash of every file."""
    prints = {"shards": sha256_of(Path(recipe.data.shards) / MANIFEST)}
    if similar is not None:
        prints["table of similar tokens"] = fingerprint_of(similar)
    teacher = recipe.objective.teacher
    others = {"to start from": recipe.init_from, "of the teacher": None if teacher is None else teacher.model}
    for what, directory in others.items():
        if directory is not None:
            prints[f"configuration {what}"] = sha256_of(located(Path(directory)) / CONFIG_FILE)
            files = find_weights(Path(directory)).paths
            prints[f"model {what}"] = " ".join(sha256_of(path) for path in files)
    return prints
