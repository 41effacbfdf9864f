"""Can the network learn one batch by heart? What cannot do that learns nothing from a million."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import nn

from erya.data.batches import pack
from erya.data.features import Features
from erya.nn.packing import PackedTensors
from erya.runtime import generator, pick_device
from erya.tasks.batches import split
from erya.tasks.kind import AnyKind
from erya.tasks.learner import Learner
from erya.tasks.limits import length_limit
from erya.tasks.opening import open_start
from erya.tasks.preflight.findings import Finding, finding
from erya.tasks.preflight.sameness import keys_of
from erya.tasks.preflight.views import View, views_of
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.task import Task
from erya.tasks.usual_rate import with_usual_rate
from erya.train.protocols import Tell

NUM_STEPS = 40
NUM_EXAMPLES = 16
# The loss has fallen where this share of it is left, or next to nothing.
_LEFT, _NOTHING = 0.6, 0.05
_MOST_TOKENS = 4096
# Longer texts only make the check slow.
_LONGEST_CHARACTERS = 400
_CHOICE = 0x0F17  # keeps this stream of random numbers apart from others with the same seed
_MOST_NORM = 1.0
# What the learning rate is multiplied by in search of one that works.
_FACTORS = (10, 0.1, 100, 0.01, 1000, 0.001)


def overfit_one_batch(
    kind: AnyKind, task: Task[Any, Any], recipe: FinetuneRecipe, examples: Sequence[Any], *, tell: Tell
) -> tuple[list[float], Finding]:
    """Train a network of its own a few dozen steps on one batch, and judge how far its loss falls.

    Where it does not at the recipe's learning rate, others are tried, to tell why.

    Args:
        kind: of the task.
        task: encodes the examples.
        recipe: which model to start from, and at what rate.
        examples: the training examples, some of which are chosen.
        tell: is given what opening the model says.
    Returns:
        The loss of each step at the recipe's rate, and what that means.
    """
    chosen = [examples[place] for place in choose(views_of(kind.name, examples), seed=recipe.train.seed)]
    start = open_start(recipe, pooler=kind.needs_pooler, tell=tell)
    learner = kind.new_learner(start.encoder, task, recipe, examples)
    limit = length_limit(
        recipe.max_length,
        truncate=True,
        default=start.usual_length,
        positions=start.encoder.config.max_positions,
    )
    features = task.encode(chosen, start.tokenizer, limit=limit).features
    # Of long texts in many windows some are enough.
    few = split([len(item.ids) for item in features], size=len(features), tokens=_MOST_TOKENS)[0]
    features = features[few.start : few.stop]
    device = pick_device(recipe.train.device)
    rate = with_usual_rate(recipe, tell=tell).train.learning_rate
    losses = losses_of(learner, features, rate=rate, device=device, seed=recipe.train.seed)
    if has_fallen(losses):
        return losses, _learnt(losses, len(features))
    better = None
    for factor in _FACTORS if _num_different(features) > len(features) / 2 else ():
        tell(f"the loss of one batch does not fall; trying train.learning_rate={rate * factor:g}")
        of = losses_of(learner, features, rate=rate * factor, device=device, seed=recipe.train.seed)
        if has_fallen(of):
            better = (rate * factor, of)
            break
    return losses, _judge(losses, rate, better, features)


def choose(views: Sequence[View], *, seed: int) -> list[int]:
    """Places of different examples, of each label as many as of the others, and short where some are."""
    order = generator(_CHOICE, seed).permutation(len(views)).tolist()
    short = [place for place in order if sum(map(len, views[place].texts)) <= _LONGEST_CHARACTERS]
    pool = short if len(short) >= NUM_EXAMPLES else order
    by_label: defaultdict[str, list[int]] = defaultdict(list)
    for place in pool:
        by_label[views[place].labels[0] if views[place].labels else ""].append(place)
    mixed = [place for row in zip_longest(*by_label.values()) for place in row if place is not None]
    candidates = mixed[: 4 * NUM_EXAMPLES]
    keys = keys_of([views[place] for place in candidates], marks=True).tolist()
    different = {key: place for place, key in zip(reversed(candidates), reversed(keys), strict=True)}
    return sorted(different.values(), key=candidates.index)[:NUM_EXAMPLES]


def losses_of(
    learner: Learner, features: Sequence[Features], *, rate: float, device: torch.device, seed: int
) -> list[float]:
    """The loss of each step on one batch, of a copy of the learner; ends where it is not finite."""
    module = copy.deepcopy(learner)
    assert isinstance(module, nn.Module)
    module.to(device).train()
    batch = PackedTensors.from_batch(pack(features), device)
    optimiser = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=0.0)
    losses: list[float] = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(NUM_STEPS):
            terms = module(batch)
            loss = sum((term.weight * term.total / max(term.count, 1) for term in terms), torch.zeros(()))
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                break
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(module.parameters(), _MOST_NORM)
            optimiser.step()
    return losses


def has_fallen(losses: Sequence[float]) -> bool:
    """Whether the loss at the end is far below the first."""
    last = _last(losses)
    return math.isfinite(last) and (last < _LEFT * losses[0] or last < _NOTHING)


def _last(losses: Sequence[float]) -> float:
    """The mean of the last steps: dropout makes single ones jump."""
    end = losses[-5:]
    return sum(end) / len(end)


def _said(losses: Sequence[float]) -> str:
    return f"from {losses[0]:.3g} to {_last(losses):.3g} in {len(losses)} steps"


def _learnt(losses: Sequence[float], number: int) -> Finding:
    what = f"one batch of {number} inputs can be learnt: its loss falls {_said(losses)}"
    return finding("one batch", "note", what, count=number)


def _judge(
    losses: Sequence[float],
    rate: float,
    better: tuple[float, Sequence[float]] | None,
    features: Sequence[Features],
) -> Finding:
    """What it means that the loss does not fall, in plain words.

    Args:
        losses: of each step.
        rate: the recipe's.
        better: a rate at which it does fall, and its losses; None where there is none.
        features: the batch.
    """
    if math.isfinite(losses[-1]):
        what = f"the loss of one batch does not fall at train.learning_rate={rate:g}: {_said(losses)}"
    else:
        what = f"the loss of one batch is not a number at step {len(losses)}"
    if better is not None:
        which = "low" if better[0] > rate else "high"
        hint = f"the rate is too {which}: at {better[0]:g} the loss falls {_said(better[1])}"
        return finding("one batch", "warning", what, hint=hint, count=len(features))
    if _num_different(features) < len(features):
        hint = (
            f"to the network {len(features)} texts are {_num_different(features)} different inputs: "
            "its vocabulary does not know their characters; take a model for these texts"
        )
    else:
        hint = (
            f"neither does it at rates from {rate / 1000:g} to {rate * 1000:g}: the weights are damaged, or "
            "this network cannot tell these texts apart; look at it with erya info"
        )
    return finding("one batch", "error", what, hint=hint, count=len(features))


def _num_different(features: Sequence[Features]) -> int:
    return len({item.ids.tobytes() for item in features})
