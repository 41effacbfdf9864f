"""What a run knows about itself besides weights: where it is, what it spent, what it skipped."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Skip(BaseModel):
    """A step that was not taken, and the batch that made it so.

    Attributes:
        step: its number, from 1.
        epoch: epoch of the batch.
        batch: its index within the epoch.
        cause: why it was not taken.
        rewound_to: the step whose weights were taken up again, if they were; what was learnt from the batches
            in between is lost.
    """

    step: int
    epoch: int
    batch: int
    cause: str
    rewound_to: int | None = None


class RunState(BaseModel):
    """The part of a checkpoint that a person can read.

    Attributes:
        step: steps done, skipped ones included.
        epoch: epoch of the next batch.
        batch: its index within the epoch.
        tokens: tokens seen.
        sequences: sequences seen.
        seconds: time spent in steps; evaluation and checkpoints do not count.
        skips: the skip list.
        skips_in_row: skipped steps at the end of the steps done.
        losses: of the last steps taken, where they are watched.
        micro_batch_tokens: tokens computed at once, where that is not what the recipe says.
        evaluated_step: the last step that was evaluated; -1 before the first evaluation.
        metrics: what that evaluation gave.
        best_step: step of the best evaluation, when one is monitored.
        best_metrics: what it gave.
        evaluations_since_best: evaluations without a better one.
        metrics_bytes: length of metrics.jsonl; resuming cuts it back to this.
        notes: what was changed on the way, in the words the user was told.
        machine: what the arithmetic ran on; where it differs, losses are no longer equal to the last bit.
    """

    model_config = ConfigDict(extra="forbid")

    step: int = 0
    epoch: int = 0
    batch: int = 0
    tokens: int = 0
    sequences: int = 0
    seconds: float = 0.0
    skips: list[Skip] = []
    skips_in_row: int = 0
    losses: list[float] = []
    micro_batch_tokens: int | None = None
    evaluated_step: int = -1
    metrics: dict[str, float] = {}
    best_step: int | None = None
    best_metrics: dict[str, float] = {}
    evaluations_since_best: int = 0
    metrics_bytes: int = 0
    notes: list[str] = []
    machine: dict[str, str] = {}
