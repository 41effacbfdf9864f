"""The part of a recipe that every training run shares."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.runtime import Precision
from erya.train.trackers.tracker import TrackerName

# What may differ when a run is resumed: how long it goes on, how often it looks up, and how the same global
# batches are computed. Everything else would make it another run.
CHANGEABLE_ON_RESUME = frozenset(
    {
        "steps",
        "epochs",
        "max_tokens",
        "max_time_s",
        "micro_batch_tokens",
        "device",
        "threads",
        "eval_every_steps",
        "save_every_steps",
        "keep_checkpoints",
        "log_every_steps",
        "trackers",
        "max_skips_in_row",
        "monitor.patience",
    }
)


class Monitor(StrictModel):
    """Which evaluation number decides about early stopping and about the best checkpoint.

    Attributes:
        key: its name in what the evaluation returns, such as `eval_loss`.
        mode: whether the least or the greatest is the best.
        patience: stop after this many evaluations in a row without a better one; None never stops.
        min_delta: what counts as better: by more than this.
    """

    key: str
    mode: Literal["min", "max"] = "min"
    patience: int | None = Field(default=None, ge=1)
    min_delta: float = Field(default=0.0, ge=0)

    def require_mode(self, mode: Literal["min", "max"]) -> None:
        """Check that the monitor looks for the better end of its number, which is its `mode`imum.

        Raises:
            ValueError: it would keep the worst.
        """
        if self.mode != mode:
            raise ValueError(f"{self.key} is best at its {mode}imum: set train.monitor.mode={mode}")

    def is_better(self, value: float, best: float) -> bool:
        """Whether `value` beats `best` by more than `min_delta`; NaN beats nothing, anything beats NaN."""
        if best != best:
            return value == value
        gain = best - value if self.mode == "min" else value - best
        return gain > self.min_delta


class TrainRecipe(StrictModel):
    """How to train. The length is what comes first of the lengths given; at least one must be.

    Attributes:
        steps: length in optimiser steps.
        epochs: length in passes over the data.
        max_tokens: length in tokens.
        max_time_s: length in seconds of training (evaluation and checkpoints do not count). The learning
            rate then follows the clock, so such a run is not reproducible to the bit.
        batch_tokens: tokens of a global batch, at most.
        micro_batch_tokens: tokens computed at once, at most (a longer sequence is computed alone); None is
            the whole global batch. Changes memory and speed, not the batches.
        learning_rate: the greatest, after warm-up.
        schedule: how the learning rate falls after warm-up: to `final_lr_ratio`, along a line or a cosine, or
            not at all.
        warmup_ratio: share of the length in which the learning rate rises from zero.
        warmup_steps: the same in steps; takes the place of `warmup_ratio`.
        final_lr_ratio: learning rate at the end, as a share of the greatest.
        weight_decay: decoupled; biases and norms have none.
        betas: decay of AdamW's running means of the gradient and its square.
        eps: AdamW's guard against division by zero.
        clip_norm: gradients longer than this are shortened to it.
        precision: of matrix products; `auto` is bfloat16 where the machine has it.
        seed: of the order of batches, masks and dropout.
        device: auto, cpu, cuda or cuda:N.
        threads: processor threads; None is all cores this process may use.
        eval_every_steps: evaluate this often, and at the end; None is after every epoch, and at the end.
        save_every_steps: write a checkpoint this often, and at the end.
        keep_checkpoints: how many of the last checkpoints stay; the best one stays besides.
        log_every_steps: write a line into metrics.jsonl this often.
        trackers: who else is given what metrics.jsonl is: tensorboard, mlflow, wandb, trackio.
        max_skips_in_row: steps without a finite loss or gradient are skipped; so many in a row end the run.
        monitor: early stopping and the best checkpoint; None keeps the last state.
    """

    steps: int | None = Field(default=None, ge=1)
    epochs: int | None = Field(default=None, ge=1)
    max_tokens: int | None = Field(default=None, ge=1)
    max_time_s: float | None = Field(default=None, gt=0)
    batch_tokens: int = Field(ge=1)
    micro_batch_tokens: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(gt=0)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    warmup_ratio: float = Field(default=0.06, ge=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0)
    final_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = Field(default=1e-6, gt=0)
    clip_norm: float = Field(default=1.0, gt=0)
    precision: Precision = "auto"
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: str = "auto"
    threads: int | None = Field(default=None, ge=1)
    eval_every_steps: int | None = Field(default=None, ge=1)
    save_every_steps: int = Field(default=1000, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    log_every_steps: int = Field(default=1, ge=1)
    trackers: tuple[TrackerName, ...] = ("tensorboard",)
    max_skips_in_row: int = Field(default=10, ge=1)
    monitor: Monitor | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps is None and self.epochs is None and self.max_tokens is None and self.max_time_s is None:
            raise ValueError("no length given: set steps, epochs, max_tokens or max_time_s")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas must be in [0, 1)")
        return self
