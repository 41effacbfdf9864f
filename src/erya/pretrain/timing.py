"""Times a few real steps, an evaluation and a checkpoint's worth of writing, and leaves nothing behind."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch

from erya.data.batches import PackedBatch
from erya.data.plan import WHOLE, Share
from erya.pretrain.objectives.objective import PretrainObjective
from erya.pretrain.objectives.sums import Sums
from erya.runtime import pick_device, pick_dtype
from erya.train.machine import use_processor
from erya.train.matrix_rate import measure_matrix_rate
from erya.train.memory import kept_bytes
from erya.train.optimisers.build import build_optimiser
from erya.train.optimisers.members import Optimisers
from erya.train.parallel import Spread, whole
from erya.train.protocols import Source
from erya.train.recipe import TrainRecipe
from erya.train.step import take_step
from erya.train.vitals import Flops

_BUDGET_S = 10.0
_EVALUATION_S = 2.0
_FEW_STEPS, _MOST_STEPS = 3, 20
_MICRO_S = 2.0  # a micro-batch that would take longer is timed smaller
_LIKELY_UTILISATION = 0.4
_WRITTEN_BYTES = 1 << 25


@dataclass(frozen=True, slots=True)
class Timing:
    """What this machine takes.

    Attributes:
        device: its kind.
        matrix_rate: floating-point operations a second in matrix products.
        token_s: seconds a token, forward and backward.
        optimiser_s: seconds a step besides: clipping and the optimiser.
        evaluation_token_s: seconds a held-out token.
        byte_s: seconds a byte of a checkpoint, to write and to hash.
        activation_bytes: what a token keeps for the backward pass.
        flops_per_token: operations a token, of the batches timed.
    """

    device: str
    matrix_rate: float
    token_s: float
    optimiser_s: float
    evaluation_token_s: float
    byte_s: float
    activation_bytes: float
    flops_per_token: float


def time_steps(
    objective: PretrainObjective,
    source: Source,
    recipe: TrainRecipe,
    *,
    flops: Flops,
    held_out: Sequence[PackedBatch],
) -> Timing:
    """Take steps on the first real batches, as training does; the weights of `objective` change.

    Where a batch would take minutes, a part of it is timed.
    """
    use_processor(recipe.threads)
    device = pick_device(recipe.device)
    dtype = pick_dtype(recipe.precision, device)
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
    objective.module.to(device).train()
    rate = measure_matrix_rate(device, dtype)
    first = source.batch(0, source.num_batches(0) // 2, WHOLE)[0]
    per_token = flops(first) / first.num_tokens
    share = _share(recipe, most=int(_MICRO_S * rate * _LIKELY_UTILISATION / per_token))
    with autocast:
        kept = _kept_bytes(objective, source, recipe, share)
    token_s, optimiser_s = _time_training(objective, source, recipe, share=share, autocast=autocast)
    objective.module.eval()
    with torch.no_grad(), autocast:
        evaluation_token_s = _time_evaluation(objective, held_out)
    return Timing(
        device=device.type,
        matrix_rate=rate,
        token_s=token_s,
        optimiser_s=optimiser_s,
        evaluation_token_s=evaluation_token_s,
        byte_s=_time_bytes(),
        activation_bytes=kept,
        flops_per_token=per_token,
    )


def _share(recipe: TrainRecipe, *, most: int) -> Share:
    """The micro-batches of the recipe, or smaller ones where those would take too long to time."""
    wanted = recipe.micro_batch_tokens
    budget = wanted if isinstance(wanted, int) else recipe.batch_tokens
    return Share(micro_batch_tokens=max(1, min(budget, most)))


def _time_training(
    objective: PretrainObjective,
    source: Source,
    recipe: TrainRecipe,
    *,
    share: Share,
    autocast: AbstractContextManager[object],
) -> tuple[float, float]:
    """Seconds a token, and seconds a step besides."""
    optimiser, spread = build_optimiser(objective.module, recipe), whole(objective.module)
    optimiser.set_rate(1e-3)  # nothing is to be learnt, least of all to diverge

    def step(batches: Sequence[PackedBatch]) -> float:
        began = time.perf_counter()
        take_step(
            objective,
            batches,
            optimiser,
            spread=spread,
            autocast=autocast,
            clip_norm=recipe.clip_norm,
            seed=0,
        )
        return time.perf_counter() - began

    def batches(number: int, wanted: int) -> Sequence[PackedBatch]:
        places = source.num_batches(0)
        place = (2 * number + 1) * places // (2 * _MOST_STEPS) % places
        return _micro_batches(source, place, share, wanted=wanted, batch_tokens=recipe.batch_tokens)

    step(batches(0, 1))  # starts threads, makes the optimiser's state
    each = step(batches(1, 1))
    fitting = max(1, int(_BUDGET_S / _FEW_STEPS / each))  # micro-batches a step
    tokens, taken, seconds = 0, 0, 0.0
    while taken < _MOST_STEPS and seconds < _BUDGET_S:
        timed = batches(taken, fitting)
        seconds += step(timed)
        tokens += sum(batch.num_tokens for batch in timed)
        taken += 1
    alone = min(_time_optimiser(spread, optimiser, recipe) for _ in range(_FEW_STEPS))
    return max(seconds - taken * alone, 0.0) / tokens, alone


def _time_optimiser(spread: Spread, optimiser: Optimisers, recipe: TrainRecipe) -> float:
    """Seconds of what a step does besides going through its batches."""
    began = time.perf_counter()
    norm = spread.clip(recipe.clip_norm)
    optimiser.step()
    if norm.device.type == "cuda":
        torch.cuda.synchronize(norm.device)
    return time.perf_counter() - began


def _time_evaluation(objective: PretrainObjective, held_out: Sequence[PackedBatch]) -> float:
    """Seconds a held-out token; 0 where there is none."""
    tokens, began = 0, time.perf_counter()
    for batch in held_out:
        objective.module(objective.inputs(batch), sums=Sums())
        tokens += batch.num_tokens
        if time.perf_counter() - began > _EVALUATION_S:
            break
    return (time.perf_counter() - began) / tokens if tokens else 0.0


def _time_bytes() -> float:
    """Seconds to write a byte of a temporary file, and to hash it."""
    data = os.urandom(_WRITTEN_BYTES)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    hashlib.sha256(data)
    return (time.perf_counter() - began) / _WRITTEN_BYTES


def _kept_bytes(objective: PretrainObjective, source: Source, recipe: TrainRecipe, share: Share) -> float:
    """What a token keeps for the backward pass, in bytes; weights that are kept in another format are not."""
    budget = share.micro_batch_tokens
    assert budget is not None
    found = []
    for tokens in (budget, max(1, budget // 2)):
        cut = Share(micro_batch_tokens=tokens)
        (batch,) = _micro_batches(source, 0, cut, wanted=1, batch_tokens=recipe.batch_tokens)
        inputs, module = objective.inputs(batch), objective.module
        found.append((batch.num_tokens, kept_bytes(module, inputs, module)))
    (more, large), (less, small) = found
    # The difference of two sizes: what does not grow with the batch is no activation.
    return (large - small) / (more - less) if more > less else large / more


def _micro_batches(
    source: Source, place: int, share: Share, *, wanted: int, batch_tokens: int
) -> Sequence[PackedBatch]:
    """At most `wanted` micro-batches of a global batch; of a large one little more than those is read."""
    assert share.micro_batch_tokens is not None
    num_ranks = max(1, batch_tokens // (wanted * share.micro_batch_tokens))
    # As one of so many ranks would: the middle one has long and short sequences alike.
    part = source.batch(0, place, replace(share, rank=num_ranks // 2, num_ranks=num_ranks))
    found = [batch for batch in part if not batch.is_idle]
    return (found or source.batch(0, place, share))[:wanted]
