"""A pre-training run: shards in, a model directory out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from erya.files import exclusive
from erya.pretrain.flops import flops_of
from erya.pretrain.preparation import Prepared, prepare
from erya.pretrain.probing import Probe, Probing
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.refit import refit_head
from erya.pretrain.saving import save_part
from erya.train.directory import HEAD_DIRECTORY, MODEL_DIRECTORY, set_aside
from erya.train.loop import TrainResult, train
from erya.train.protocols import Callback, Evaluate, Tell
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

# A model that has learnt nothing yet is a little worse than chance; one that is so much worse diverges.
_MUCH = 0.5


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
    probe: Probe | None = None,
    probe_every: int = 1,
) -> Pretrained:
    """Pre-train an encoder, or go on with the run in `directory`.

    Args:
        recipe: what to do.
        directory: the run directory; the model ends up in `directory/model`, other models that the objective
            needs beside it.
        callbacks: told what happens during training.
        tell: is given sentences a user should read: what was left out, what starts at random.
        resume: go on with the run in `directory`; False sets it aside and starts over.
        probe: says at evaluations what the model is worth for a task.
        probe_every: evaluations from one probe to the next.
    Raises:
        InputError: the shards cannot be used.
        CheckpointError: `init_from` cannot be used, or all checkpoints are damaged.
        ConfigError: the recipe makes no sense, or is not that of the run in `directory`.
        StorageError: the disk refuses, or another process trains in `directory`.
        TrainingError: the loss is not finite any more.
    """
    ranks = environment_ranks()
    prepared = prepare(recipe, directory, ranks=ranks, tell=tell)
    if prepared.lacks_head and recipe.objective.refit_head_steps:
        if not resume and ranks.is_first:
            with exclusive(directory):
                set_aside(directory)
        resume = True
        first = refit_head(
            prepared.objective,
            prepared.source,
            recipe=recipe,
            directory=directory / HEAD_DIRECTORY,
            fingerprints=prepared.fingerprints,
            changeable=_CHANGEABLE,
            tell=tell,
        )
        if first.interrupted:
            return Pretrained(None, first, prepared.baseline)
    goes_on = recipe.init_from is not None and prepared.has_held_out
    result = train(
        prepared.objective,
        prepared.source,
        recipe=recipe.train,
        run_recipe=recipe,
        directory=directory,
        fingerprints=prepared.fingerprints,
        changeable=_CHANGEABLE,
        evaluate=_evaluation(recipe, prepared, None if probe is None else (probe, probe_every)),
        evaluate_first=goes_on,
        flops=flops_of(prepared.objective.module),
        callbacks=[*callbacks, _SayWorth(tell, vocab_size=prepared.tokenizer.vocab_size)],
        resume=resume,
    )
    if not result.interrupted and ranks.is_first:
        _save(recipe, prepared, result, directory)
    return Pretrained(None if result.interrupted else directory / MODEL_DIRECTORY, result, prepared.baseline)


class _SayWorth(Callback):
    """Says how good a model is before it goes on learning, and once when it is worse than chance."""

    def __init__(self, tell: Tell, *, vocab_size: int) -> None:
        self._tell, self._chance, self._warned = tell, math.log(vocab_size), False

    def on_evaluate(self, step: int, metrics: Mapping[str, float]) -> None:
        if step == 0:
            self._tell(f"starts at {metrics['eval_masked_accuracy']:.1%} of held-out tokens guessed right")
        elif not (loss := metrics.get("eval_loss", 0.0)) <= self._chance + _MUCH and not self._warned:
            self._warned = True
            self._tell(
                f"warning: the held-out loss at step {step} is {loss:.4g}, that of blind guesses is "
                f"{self._chance:.4g}: train.learning_rate may be too high, or warm-up too short"
            )


def _evaluation(
    recipe: PretrainRecipe, prepared: Prepared, probing: tuple[Probe, int] | None
) -> Evaluate | None:
    """What is asked of the model now and then; None: nothing."""
    objective = prepared.objective
    if probing is None:
        return objective.evaluate if prepared.has_held_out else None

    def save(path: Path) -> None:
        part = objective.module.parts()[MODEL_DIRECTORY]
        save_part(part, path, recipe=recipe, tokenizer=prepared.tokenizer, told={}, replace=False)

    # All ranks evaluate together; the first one probes, and what it finds is given to the others.
    probe, every = probing
    return Probing(objective.evaluate, probe if environment_ranks().is_first else None, save, every=every)


def _save(recipe: PretrainRecipe, prepared: Prepared, result: TrainResult, directory: Path) -> None:
    """The model directory of every part."""
    state = result.state
    told = {
        "fingerprints": dict(prepared.fingerprints),
        "training_tokens": prepared.training_tokens,
        "steps": state.step,
        "tokens_seen": state.tokens,
        "skipped_steps": len(state.skips),
        "held_out": dict(state.best_metrics or state.metrics),
    }
    with exclusive(directory):
        for name, part in prepared.objective.module.parts().items():
            save_part(
                part, directory / name, recipe=recipe, tokenizer=prepared.tokenizer, told=told, replace=True
            )
