"""A pre-training run: shards in, a model directory out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from erya import __version__
from erya.checkpoints.huggingface import CONFIG_FILE
from erya.checkpoints.info import ModelInfo
from erya.checkpoints.saving import save_model
from erya.checkpoints.weights import find_weights
from erya.data.batches import PackedBatch
from erya.data.shards import MANIFEST, Shards
from erya.data.splits import Split
from erya.files import exclusive, sha256_of
from erya.pretrain.baseline import bigram_accuracy
from erya.pretrain.masking.masker import Masker
from erya.pretrain.masking.rate import Rate
from erya.pretrain.objective import MaskedLanguageObjective
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.source import MaskedSource, held_out_batches
from erya.pretrain.start import build_model
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.directory import MODEL_DIRECTORY
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, Tell

# Files may lie elsewhere when a run is resumed; that they are the same ones is known by their fingerprints.
_CHANGEABLE = ("data.shards", "init_from", "evaluation.baseline")
_HELD_OUT_SEED = 0  # not the recipe's: runs with different seeds are scored on the same masks


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
    """Pre-train a masked language model, or go on with the run in `directory`.

    Args:
        recipe: what to do.
        directory: the run directory; the model ends up in `directory/model`.
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
    training = Shards.open(Path(recipe.data.shards), split="train")
    tokenizer = Tokenizer.open(training.tokenizer_directory)
    training.require_tokenizer(tokenizer.hash, of=str(training.tokenizer_directory))
    module = build_model(recipe, tokenizer, tell=tell)
    sequences = _sequences(training, "train", recipe, tokenizer, tell)
    held_out = _held_out(recipe, tokenizer, tell=tell)
    baseline = _baseline(recipe, sequences, held_out, tokenizer, tell)
    objective = MaskedLanguageObjective(module, held_out=held_out)
    source = MaskedSource(
        sequences,
        _masker(recipe, tokenizer, prob=recipe.masking.prob.rate, seed=recipe.train.seed),
        batch_tokens=recipe.train.batch_tokens,
        seed=recipe.train.seed,
    )
    result = train(
        objective,
        source,
        recipe=recipe.train,
        run_recipe=recipe,
        directory=directory,
        fingerprints=_fingerprints(recipe),
        changeable=_CHANGEABLE,
        evaluate=objective.evaluate if held_out else None,
        callbacks=callbacks,
        resume=resume,
    )
    if result.interrupted:
        return Pretrained(None, result, baseline)
    info = ModelInfo(
        task="masked_lm",
        max_length=recipe.data.max_length,
        tokenizer_mode=tokenizer.mode,
        provenance=_provenance(recipe, sequences, result),
    )
    with exclusive(directory):
        model = directory / MODEL_DIRECTORY
        save_model(model, module=module, tokenizer=tokenizer, info=info, replace=True)
    return Pretrained(model, result, baseline)


def _held_out(recipe: PretrainRecipe, tokenizer: Tokenizer, *, tell: Tell) -> list[PackedBatch]:
    shards = Shards.open(Path(recipe.data.shards), split="heldout")
    batches = held_out_batches(
        _sequences(shards, "heldout", recipe, tokenizer, tell),
        _masker(recipe, tokenizer, prob=recipe.evaluation.prob, seed=_HELD_OUT_SEED),
        max_tokens=recipe.evaluation.max_tokens,
        seed=_HELD_OUT_SEED,
    )
    if not batches:
        tell("warning: the shards have no held-out text, so nothing will say how good the model is")
    return batches


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


def _sequences(
    shards: Shards, split: Split, recipe: PretrainRecipe, tokenizer: Tokenizer, tell: Tell
) -> ShardSequences:
    """Cut a split of the shards into sequences and say what became of it."""
    made = ShardSequences(
        shards.shards,
        max_length=recipe.data.max_length,
        cls_id=tokenizer.cls_id,
        sep_id=tokenizer.sep_id,
    )
    found = made.sequences
    tell(
        f"{split}: {len(found):,} sequences, {found.num_tokens:,} tokens; left out: "
        f"{found.dropped_fragments:,} fragments, {found.dropped_tokens:,} tokens; "
        f"{found.split_sentences:,} sequences end inside a sentence"
    )
    return made


def _masker(recipe: PretrainRecipe, tokenizer: Tokenizer, *, prob: float | Rate, seed: int) -> Masker:
    return Masker(
        prob=prob,
        units=recipe.masking.units_of(recipe.masking.unit),
        shares=recipe.masking.replace.shares,
        vocab_size=tokenizer.vocab_size,
        special_ids=tokenizer.special_ids | {tokenizer.unk_id},
        mask_id=tokenizer.mask_id,
        seed=seed,
    )


def _fingerprints(recipe: PretrainRecipe) -> dict[str, str]:
    """What must not change under a run that is resumed. The manifest holds a hash of every file."""
    prints = {"shards": sha256_of(Path(recipe.data.shards) / MANIFEST)}
    if recipe.init_from is not None:
        start = Path(recipe.init_from)
        prints["configuration to start from"] = sha256_of(start / CONFIG_FILE)
        files = find_weights(start).paths
        prints["model to start from"] = " ".join(sha256_of(path) for path in files)
    return prints


def _provenance(recipe: PretrainRecipe, sequences: ShardSequences, result: TrainResult) -> dict[str, Any]:
    state = result.state
    return {
        "erya": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "recipe": recipe.model_dump(mode="json"),
        "fingerprints": _fingerprints(recipe),
        "training_tokens": sequences.sequences.num_tokens,
        "steps": state.step,
        "tokens_seen": state.tokens,
        "skipped_steps": len(state.skips),
        "held_out": dict(state.best_metrics or state.metrics),
    }
