"""What a run will cost, without starting it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from erya.data.batches import PackedBatch
from erya.data.shards import Shards
from erya.pretrain.baseline import bigram_accuracy
from erya.pretrain.feed import cut_split, held_out_kinds, training_source
from erya.pretrain.flops import flops_of
from erya.pretrain.hardware import Hardware
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.recipe import PretrainRecipe
from erya.pretrain.sequences import ShardSequences
from erya.pretrain.similarity import similar_tokens
from erya.pretrain.source import MaskedSource
from erya.pretrain.start import build_start
from erya.pretrain.timing import Timing, time_steps
from erya.runtime import pick_device
from erya.tokenizer.wordpiece import Tokenizer
from erya.train.memory import PEAK, free_bytes, guess_tokens
from erya.train.optimisers.groups import parameters_of
from erya.train.protocols import Source, Tell
from erya.train.recipe import TrainRecipe
from erya.train.schedule import Length

_FLOAT = 4  # bytes of a number in weights, gradients and running means
_STEADY_EPOCH = 3  # epochs after these have as many batches, give or take one
_USABLE = 0.9  # of a device's memory


@dataclass(frozen=True, slots=True)
class RunLength:
    """How long a run is.

    Attributes:
        steps: optimiser steps.
        tokens: tokens in their batches.
        epochs: passes over the data.
    """

    steps: int
    tokens: float
    epochs: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What a device needs, in bytes.

    Attributes:
        fixed: weights, gradients, running means of the optimiser and of the weights.
        activation_token: kept for each token of a micro-batch until its backward pass.
        micro_batch_tokens: of the recipe.
    """

    fixed: float
    activation_token: float
    micro_batch_tokens: int

    @property
    def total(self) -> float:
        """All of it at the peak, but for what libraries take for themselves."""
        return self.fixed + PEAK * self.activation_token * self.micro_batch_tokens

    def fitting_tokens(self, device_bytes: float) -> int:
        """The largest micro-batch for a device, at most the recipe's; 0 when not even the model fits."""
        left = (_USABLE * device_bytes - self.fixed) / (PEAK * self.activation_token)
        return max(0, min(self.micro_batch_tokens, int(left)))


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The same run on other hardware.

    Attributes:
        hardware: which.
        seconds: how long, from operations alone; data and checkpoints are thought to hide behind them.
        micro_batch_tokens: the largest of the recipe's that fits; 0 when none does.
    """

    hardware: Hardware
    seconds: float
    micro_batch_tokens: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run costs. Seconds are those of this machine where nothing else is said.

    Attributes:
        sequences, epoch_tokens: what an epoch has.
        length: of the run.
        num_parameters: that are trained.
        flops: operations of all steps.
        memory: of a device.
        checkpoint_bytes: of one checkpoint.
        disk_bytes: most that lies in the run directory at a time.
        timing: what was measured.
        step_s: a mean step.
        prepare_s: from the call to the first step.
        training_s, evaluation_s, checkpoint_s: of the whole run.
        utilisation: share of this machine's matrix rate.
        elsewhere: the same on other hardware.
    """

    sequences: int
    epoch_tokens: int
    length: RunLength
    num_parameters: int
    flops: float
    memory: Memory
    checkpoint_bytes: float
    disk_bytes: float
    timing: Timing
    step_s: float
    prepare_s: float
    training_s: float
    evaluation_s: float
    checkpoint_s: float
    utilisation: float
    elsewhere: tuple[Elsewhere, ...]

    @property
    def total_s(self) -> float:
        """The whole run on this machine."""
        return self.prepare_s + self.training_s + self.evaluation_s + self.checkpoint_s


def estimate(recipe: PretrainRecipe, *, hardware: Sequence[Hardware] = (), tell: Tell) -> Estimate:
    """Say what a run costs, after timing a few of its steps here for some seconds; nothing is left behind.

    Args:
        recipe: the run.
        hardware: other machines to reckon it for.
        tell: is given what a run itself would say about its data and model.
    Raises:
        EryaError: what would stop the run itself: shards, model or recipe that cannot be used.
    """
    began = time.perf_counter()
    ready = _prepare(recipe, tell)
    prepare_s, objective = time.perf_counter() - began, ready.objective
    timing = time_steps(
        objective, ready.source, recipe.train, flops=flops_of(objective.module), held_out=ready.scored
    )
    epoch_tokens = int(ready.sequences.lengths.sum())
    length = run_length(recipe.train, ready.source, epoch_tokens=epoch_tokens, timing=timing)
    weights, kept = _bytes_of(objective, recipe.train)
    memory = Memory(weights + kept, timing.activation_bytes, _micro_batch_tokens(recipe.train))
    memory_here = memory
    if recipe.train.micro_batch_tokens == "auto":
        memory_here = _cut_to_fit(memory, recipe.train, num_parameters=_num_parameters(objective))
    evaluated = _num_evaluations(recipe, length) * sum(batch.num_tokens for batch in ready.scored)
    flops, eval_flops = (timing.flops_per_token * tokens for tokens in (length.tokens, evaluated / 3))
    training_s = length.tokens * timing.token_s + length.steps * timing.optimiser_s
    checkpoint = weights + kept - _FLOAT * _num_parameters(objective)  # gradients are not in it
    return Estimate(
        sequences=len(ready.sequences.lengths),
        epoch_tokens=epoch_tokens,
        length=length,
        num_parameters=_num_parameters(objective),
        flops=flops,
        memory=memory_here,
        checkpoint_bytes=checkpoint,
        disk_bytes=checkpoint * _num_kept(recipe.train) + _FLOAT * _num_parameters(objective),
        timing=timing,
        step_s=training_s / length.steps,
        prepare_s=prepare_s,
        training_s=training_s,
        evaluation_s=evaluated * timing.evaluation_token_s,
        checkpoint_s=_num_saves(recipe.train, length) * checkpoint * timing.byte_s,
        utilisation=flops / training_s / timing.matrix_rate,
        elsewhere=tuple(
            Elsewhere(
                machine,
                (flops + eval_flops) / (machine.peak_flops * machine.utilisation),
                memory.fitting_tokens(machine.memory_bytes),
            )
            for machine in hardware
        ),
    )


@dataclass(frozen=True, slots=True)
class _Ready:
    """What a run has before its first step; `scored` are the held-out batches of every kind."""

    objective: PretrainObjective
    source: MaskedSource
    sequences: ShardSequences
    scored: list[PackedBatch]


def _prepare(recipe: PretrainRecipe, tell: Tell) -> _Ready:
    """Do what a run does before its first step, but keep nothing."""
    shards = Shards.open(Path(recipe.data.shards), split="train")
    tokenizer = Tokenizer.open(shards.tokenizer_directory)
    shards.require_tokenizer(tokenizer.hash, of=str(shards.tokenizer_directory))
    start = build_start(recipe, tokenizer, tell=tell)
    sequences = cut_split(shards, "train", recipe, tokenizer, tell=tell)
    with tempfile.TemporaryDirectory() as temporary:
        similar = similar_tokens(recipe, shards.shards, tokenizer, Path(temporary), tell=tell)
    held_out = held_out_kinds(recipe, tokenizer, similar=similar, tell=tell)
    source = training_source(sequences, recipe, tokenizer, similar=similar)
    if recipe.evaluation.baseline and held_out:
        ids = {"vocab_size": tokenizer.vocab_size, "mask_id": tokenizer.mask_id}
        bigram_accuracy(sequences, next(iter(held_out.values())), **ids)
    objective = PretrainObjective(start.module, held_out=held_out)
    return _Ready(objective, source, sequences, [batch for batches in held_out.values() for batch in batches])


def run_length(recipe: TrainRecipe, source: Source, *, epoch_tokens: int, timing: Timing) -> RunLength:
    """How long a run is, by whichever of its lengths comes first.

    Args:
        recipe: which lengths it has.
        source: the batches.
        epoch_tokens: tokens of an epoch.
        timing: what a step takes, for a length in seconds.
    """
    total_steps = Length(recipe, source).total_steps
    steps, tokens, epochs = 0, 0.0, 0.0
    for epoch in count():
        if epoch <= _STEADY_EPOCH or tokens < _ramp_end(recipe):
            number = source.num_batches(epoch)
        mean = epoch_tokens / number
        limits = [number]
        if total_steps is not None:
            limits.append(total_steps - steps)
        if recipe.max_tokens is not None:
            limits.append(-int(-(recipe.max_tokens - tokens) // mean))
        if recipe.max_time_s is not None:
            step_s = mean * timing.token_s + timing.optimiser_s
            spent = tokens * timing.token_s + steps * timing.optimiser_s
            limits.append(-int(-(recipe.max_time_s - spent) // step_s))
        taken = max(0, min(limits))
        steps, tokens, epochs = steps + taken, tokens + taken * mean, epochs + taken / number
        if taken < number:
            return RunLength(steps, tokens, epochs)
    raise AssertionError("a recipe has a length")


def _ramp_end(recipe: TrainRecipe) -> float:
    return 0.0 if recipe.batch_ramp is None else recipe.batch_ramp.ramp().over_tokens


def _bytes_of(objective: PretrainObjective, recipe: TrainRecipe) -> tuple[float, float]:
    """Weights with their gradients, and what optimisers and a mean of the weights keep."""
    number = _num_parameters(objective)
    matrices = 0
    if recipe.optimiser.kind == "muon":  # one running mean, where Adam has two
        found = parameters_of(objective.module).matrices
        matrices = sum(parameter.numel() for group in found.values() for parameter in group)
    means = 2 * number - matrices + (number if recipe.average is not None else 0)
    return 2.0 * _FLOAT * number, float(_FLOAT * means)


def _num_parameters(objective: PretrainObjective) -> int:
    return sum(parameter.numel() for parameter in objective.module.parameters() if parameter.requires_grad)


def _micro_batch_tokens(recipe: TrainRecipe) -> int:
    wanted = recipe.micro_batch_tokens
    return min(wanted, recipe.batch_tokens) if isinstance(wanted, int) else recipe.batch_tokens


def _cut_to_fit(memory: Memory, recipe: TrainRecipe, *, num_parameters: int) -> Memory:
    """The same with the micro-batch that the run would choose on this machine."""
    free = free_bytes(pick_device(recipe.device))
    if free is None:
        return memory
    fitting = guess_tokens(
        free=free, num_parameters=num_parameters, bytes_a_token=max(1.0, memory.activation_token)
    )
    return replace(memory, micro_batch_tokens=min(fitting, memory.micro_batch_tokens))


def _num_evaluations(recipe: PretrainRecipe, length: RunLength) -> int:
    every, first = recipe.train.eval_every_steps, int(recipe.init_from is not None)
    done = length.epochs if every is None else length.steps / every
    return first + -int(-done // 1)


def _num_saves(recipe: TrainRecipe, length: RunLength) -> int:
    return -(-length.steps // recipe.save_every_steps)


def _num_kept(recipe: TrainRecipe) -> int:
    """Checkpoints there are while another is written."""
    return recipe.keep_checkpoints + 1 + (recipe.monitor is not None)
