"""The part of a recipe that every training run shares."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from erya.config import StrictModel
from erya.data.ramp import Ramp
from erya.runtime import Precision
from erya.train.optimisers.recipe import GREATEST_RATE, AdamWRecipe, OptimiserRecipe
from erya.train.trackers.tracker import TrackerName

# What may differ when a run is resumed: how long it goes on, how often it looks up, how the same global
# batches are computed, and what is turned when a run diverges. Everything else would make it another run.
CHANGEABLE_ON_RESUME = frozenset(
    {
        "steps",
        "epochs",
        "max_tokens",
        "max_time_s",
        "decay_ratio",  # how long the fall at the end takes goes with the length
        "micro_batch_tokens",
        "parallel.kind",
        "parallel.shard_ranks",
        "device",
        "threads",
        "deterministic",
        "eval_every_steps",
        "save_every_steps",
        "keep_checkpoints",
        "log_every_steps",
        "trackers",
        "max_skips_in_row",
        "monitor.patience",
        "learning_rate",
        "optimiser.learning_rate",
        "clip_norm",
        "guard",
        "guard.spike",
        "guard.window",
        "guard.action",
        "guard.limit",
        "average.kind",  # runs from before there were two lack it; another kind has other keys besides
    }
)
# Of these, what changes what is learnt: said when a run is resumed with another value.
STEERING = (
    "train.learning_rate",
    "train.optimiser.learning_rate",
    "train.decay_ratio",
    "train.clip_norm",
    "train.guard",
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


class BatchRamp(StrictModel):
    """A batch that grows along a line: small batches learn more from a token at first, large ones later.

    Attributes:
        from_tokens: most tokens of the first batch.
        over_tokens: tokens of training after which a batch has `batch_tokens`.
    """

    from_tokens: int = Field(ge=1)
    over_tokens: int = Field(ge=1)

    def ramp(self) -> Ramp:
        """The same, as plans know it."""
        return Ramp(self.from_tokens, self.over_tokens)


class MovingMeanRecipe(StrictModel):
    """An exponential moving average of the weights, which is what is evaluated and kept in the end.

    Attributes:
        kind: ema.
        decay: what stays of the mean at every step; at first less does, so that the random beginning is soon
            forgotten.
    """

    kind: Literal["ema"] = "ema"
    decay: float = Field(default=0.999, gt=0, lt=1)


class EqualMeanRecipe(StrictModel):
    """Stochastic weight averaging: the equal mean over the last part of training is evaluated and kept.

    Attributes:
        kind: swa.
        start_ratio: share of the training length before the first step that counts. A learning rate that has
            already fallen to nothing there leaves little to average: `schedule: constant`, or a greater
            `final_lr_ratio`, goes with it.
    """

    kind: Literal["swa"]
    start_ratio: float = Field(default=0.75, ge=0, lt=1)


AverageRecipe = MovingMeanRecipe | EqualMeanRecipe


class GuardRecipe(StrictModel):
    """What is done about a loss that leaps up. A loss or gradient that is not finite is always refused.

    Attributes:
        spike: a loss above the median of the last ones by more than so many of their (robust) standard
            deviations is a spike.
        window: of how many losses.
        action: `skip` leaves the batch out; `rewind` also takes the weights back to the last checkpoint.
        limit: the run ends with the cause at this many batches left out, spikes or not finite.
    """

    spike: float = Field(default=8.0, gt=0)
    window: int = Field(default=100, ge=10)
    action: Literal["skip", "rewind"] = "skip"
    limit: int = Field(default=50, ge=1)


class ParallelRecipe(StrictModel):
    """How a model is spread over the processes that torchrun starts; one process alone has it whole.

    Attributes:
        kind: `ddp`: each has the whole model and its optimiser. `fsdp`: gradients, running means and the
            weights that are trained are cut up, for models that do not fit otherwise. `hybrid`: cut up among
            `shard_ranks` neighbours, and groups of neighbours hold copies.
        shard_ranks: with `hybrid`, how many ranks share a copy; None is those of one machine.
    """

    kind: Literal["ddp", "fsdp", "hybrid"] = "ddp"
    shard_ranks: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.shard_ranks is not None and self.kind != "hybrid":
            raise ValueError("shard_ranks is for kind=hybrid")
        return self


class TrainRecipe(StrictModel):
    """How to train. The length is what comes first of the lengths given; at least one must be.

    Attributes:
        steps: length in optimiser steps.
        epochs: length in passes over the data.
        max_tokens: length in tokens.
        max_time_s: length in seconds of training (evaluation and checkpoints do not count). The learning
            rate then follows the clock, so such a run is not reproducible to the bit.
        batch_tokens: tokens of a global batch, at most.
        batch_ramp: how the batch grows to that; None has batches of one size from the beginning.
        micro_batch_tokens: tokens computed at once, at most (a longer sequence is computed alone); None is
            the whole global batch, `auto` is what memory is thought to have room for. Changes memory and
            speed, not the batches. When memory runs out it is halved, for the rest of the run.
        optimiser: `kind: adamw`, `muon` or `lamb`, and what only it has.
        learning_rate: the greatest, after warm-up. May be changed when the run is resumed.
        layer_decay: each layer of an encoder has this share of the learning rate of the layer above it, the
            head the whole; in (0, 1], 1 makes all alike. 0.8 is usual in fine-tuning.
        schedule: how the learning rate falls after warm-up to `final_lr_ratio`: along a line, a cosine, not
            at all (`constant`), or not until the last `decay_ratio` of the run (`wsd`: warm-up, stable,
            decay), so that a run may be made longer from any checkpoint before.
        decay_ratio: share of the length in which the learning rate of `wsd` falls, as 1 - sqrt.
        warmup_ratio: share of the length in which the learning rate rises from zero.
        warmup_steps: the same in steps; takes the place of `warmup_ratio`.
        warmup_tokens: the same in tokens; takes the place of `warmup_ratio`.
        final_lr_ratio: learning rate at the end, as a share of the greatest.
        weight_decay: decoupled; biases and norms have none.
        betas: decay of Adam's running means of the gradient and its square.
        eps: Adam's guard against division by zero.
        clip_norm: gradients longer than this are shortened to it.
        average: a running mean of the weights, evaluated and kept in their place; None keeps the weights.
        guard: what is done about a loss that leaps up; None does nothing.
        deterministic: refuse operations whose result may differ from run to run; slower on accelerators.
        parallel: how the model is spread over several processes.
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
    batch_ramp: BatchRamp | None = None
    micro_batch_tokens: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    optimiser: OptimiserRecipe = AdamWRecipe()
    learning_rate: float = Field(gt=0, le=GREATEST_RATE)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    schedule: Literal["linear", "cosine", "constant", "wsd"] = "linear"
    decay_ratio: float = Field(default=0.1, gt=0, le=1)
    warmup_ratio: float = Field(default=0.06, ge=0, le=1)
    warmup_steps: int | None = Field(default=None, ge=0)
    warmup_tokens: int | None = Field(default=None, ge=0)
    final_lr_ratio: float = Field(default=0.0, ge=0, le=1)
    weight_decay: float = Field(default=0.01, ge=0)
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = Field(default=1e-6, gt=0)
    clip_norm: float = Field(default=1.0, gt=0)
    average: AverageRecipe | None = Field(default=None, discriminator="kind")
    guard: GuardRecipe | None = None
    deterministic: bool = False
    parallel: ParallelRecipe = ParallelRecipe()
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

    @field_validator("optimiser", mode="before")
    @classmethod
    def _adamw_unless_said(cls, given: Any) -> Any:
        return {"kind": "adamw", **given} if isinstance(given, dict) else given

    @field_validator("average", mode="before")
    @classmethod
    def _ema_unless_said(cls, given: Any) -> Any:
        return {"kind": "ema", **given} if isinstance(given, dict) else given

    @field_validator("micro_batch_tokens", mode="before")
    @classmethod
    def _number_or_auto(cls, given: Any) -> Any:
        if given is None or given == "auto" or (type(given) is int and given >= 1):
            return given
        raise ValueError("give a number of tokens, auto, or null for whole batches")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.steps is None and self.epochs is None and self.max_tokens is None and self.max_time_s is None:
            raise ValueError("no length given: set steps, epochs, max_tokens or max_time_s")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas must be in [0, 1)")
        if self.warmup_steps is not None and self.warmup_tokens is not None:
            raise ValueError("warm-up is given twice: set warmup_steps or warmup_tokens, not both")
        if self.batch_ramp is not None and self.batch_ramp.from_tokens > self.batch_tokens:
            raise ValueError(
                f"the batch cannot shrink: batch_ramp.from_tokens is {self.batch_ramp.from_tokens}, "
                f"batch_tokens {self.batch_tokens}"
            )
        return self
