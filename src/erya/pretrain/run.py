"""A pre-training run: shards in, a model directory out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from erya import __version__
from erya.checkpoints.huggingface import CONFIG_FILE
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.checkpoints.weights import find_weights
from erya.data.batches import PackedBatch
from erya.data.shards import MANIFEST, Shards
from erya.files import exclusive, sha256_of
from erya.pretrain.baseline import bigram_accuracy
from erya.pretrain.feed import cut_split, held_out_kinds, training_source
from erya.pretrain.flops import flops_of
from erya.pretrain.objectives.module import Part
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.refit import refit_head
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.similarity import fingerprint_of, similar_tokens
from erya.pretrain.start import build_start
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.directory import HEAD_DIRECTORY, MODEL_DIRECTORY, set_aside
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, Tell
from erya.train.ranks import environment_ranks

# Files may lie elsewhere when a run is resumed; that they are the same ones is known by their fingerprints.
_CHANGEABLE = (
    "data.shards",
    "init_from",
    "objective.teacher.model",
    "masking.similar.model",
    "evaluation.baseline",
    "train.checkpoint_activations",
)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What a run left behind.

    Attributes:
        model: the model directory; None when the run was interrupted.
        result: how training ended.
        baseline: a bigram model's accuracy on the held-out masks, in [0, 1]; None where nobody asked.
    """

    model: Path | None
    result: TrainResult
    baseline: float | None = None


def pretrain(
    recipe: PretrainRecipe,
    directory: Path,
    *,
    callbacks: Sequence[Callback] = (),
    tell: Tell,
    resume: bool = True,
) -> Pretrained:
    """Pre-train an encoder, or go on with the run in `directory`.

    Args:
        recipe: what to do.
        directory: the run directory; the model ends up in `directory/model`, other models that the objective
            needs beside it.
        callbacks: told what happens during training.
        tell: is given sentences a user should read: what was left out, what starts at random.
        resume: go on with the run in `directory`; False sets it aside and starts over.
    Raises:
        InputError: the shards cannot be used.
        CheckpointError: `init_from` cannot be used, or all checkpoints are damaged.
        ConfigError: the recipe makes no sense, or is not that of the run in `directory`.
        StorageError: the disk refuses, or another process trains in `directory`.
        TrainingError: the loss is not finite any more.
    """
    training, tokenizer = _open(recipe)
    start = build_start(recipe, tokenizer, tell=tell)
    sequences = cut_split(training, "train", recipe, tokenizer, tell=tell)
    similar = similar_tokens(recipe, training.shards, tokenizer, directory, tell=tell)
    held_out = held_out_kinds(recipe, tokenizer, similar=similar, tell=tell)
    baseline = _baseline(recipe, sequences, next(iter(held_out.values()), []), tokenizer, tell)
    ranks = environment_ranks()
    objective = PretrainObjective(start.module, held_out=held_out, ranks=ranks)
    source = training_source(sequences, recipe, tokenizer, similar=similar)
    same: _Same = {"fingerprints": _fingerprints(recipe, similar), "changeable": _CHANGEABLE}
    if start.lacks_head and recipe.objective.refit_head_steps:
        if not resume and ranks.is_first:
            with exclusive(directory):
                set_aside(directory)
        resume = True
        first = refit_head(
            objective, source, recipe=recipe, directory=directory / HEAD_DIRECTORY, tell=tell, **same
        )
        if first.interrupted:
            return Pretrained(None, first, baseline)
    goes_on = recipe.init_from is not None and bool(held_out)
    result = train(
        objective,
        source,
        recipe=recipe.train,
        run_recipe=recipe,
        directory=directory,
        evaluate=objective.evaluate if held_out else None,
        evaluate_first=goes_on,
        flops=flops_of(start.module),
        callbacks=[*callbacks, _SayStart(tell)] if goes_on else callbacks,
        resume=resume,
        **same,
    )
    if result.interrupted:
        return Pretrained(None, result, baseline)
    if ranks.is_first:
        with exclusive(directory):
            provenance = _provenance(recipe, sequences, result, same["fingerprints"])
            for name, part in objective.module.parts().items():
                _save(part, directory / name, recipe, tokenizer, provenance)
    return Pretrained(directory / MODEL_DIRECTORY, result, baseline)


def _open(recipe: PretrainRecipe) -> tuple[Shards, Tokenizer]:
    """The training shards and their tokenizer."""
    training = Shards.open(Path(recipe.data.shards), split="train")
    tokenizer = Tokenizer.open(training.tokenizer_directory)
    training.require_tokenizer(tokenizer.hash, of=str(training.tokenizer_directory))
    return training, tokenizer


class _Same(TypedDict):
    """What tells runs apart."""

    fingerprints: Mapping[str, str]
    changeable: tuple[str, ...]


class _SayStart(Callback):
    """Says how good a model is before it goes on learning."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == 0:
            self._tell(f"starts at {metrics['eval_masked_accuracy']:.1%} of held-out tokens guessed right")


def _save(
    part: Part, directory: Path, recipe: PretrainRecipe, tokenizer: Tokenizer, provenance: dict[str, Any]
) -> None:
    info = ModelInfo(
        task=part.task,
        max_length=recipe.data.max_length,
        tokenizer_mode=tokenizer.mode,
        provenance=provenance,
    )
    save_model(directory, module=part.module, tokenizer=tokenizer, info=info, replace=True)


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
            prints[f"configuration {what}"] = sha256_of(Path(directory) / CONFIG_FILE)
            files = find_weights(Path(directory)).paths
            prints[f"model {what}"] = " ".join(sha256_of(path) for path in files)
    return prints


def _provenance(
    recipe: PretrainRecipe,
    sequences: ShardSequences,
    result: TrainResult,
    fingerprints: Mapping[str, str],
) -> dict[str, Any]:
    state = result.state
    return {
        "erya": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": recipe.model_dump(mode="json"),
        "fingerprints": dict(fingerprints),
        "training_tokens": sequences.sequences.num_tokens,
        "steps": state.step,
        "tokens_seen": state.tokens,
        "skipped_steps": len(state.skips),
        "held_out": dict(state.best_metrics or state.metrics),
    }
