"""The one training loop, for pre-training and fine-tuning."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel

from erya.config import dump_yaml
from erya.data.batches import PackedBatch
from erya.errors import ConfigError
from erya.files import atomic_write, exclusive
from erya.runtime import generator, is_out_of_memory, pick_dtype, shortage
from erya.train.ahead import Ahead, next_place, pace_for
from erya.train.average import build_average
from erya.train.determinism import deterministic
from erya.train.directory import CHECKPOINTS_DIRECTORY, RECIPE_FILE, set_aside
from erya.train.identity import brought_up_to_date, changed_keys, identity_of, require_same, steering_note
from erya.train.interrupt import Interrupt, interruptible
from erya.train.keeping import Keeping
from erya.train.machine import machine_changes, machine_of, use_processor
from erya.train.matrix_rate import known_rate
from erya.train.micro_batches import MicroBatches
from erya.train.optimisers.build import build_optimiser
from erya.train.parallel import spread
from erya.train.protocols import Callback, Evaluate, RunStart, Source, StepReport, Trainable
from erya.train.ranks import Ranks, joined, own_device
from erya.train.recipe import TrainRecipe
from erya.train.record import Record
from erya.train.schedule import Length
from erya.train.scoring import note_best, score
from erya.train.state import RunState, Skip
from erya.train.step import StepResult, take_step
from erya.train.trouble import Trouble
from erya.train.vitals import Flops, Vitals

_DROPOUT = 0xD809  # keeps this stream of random numbers apart from others with the same seed


@dataclass(frozen=True, slots=True)
class TrainResult:
    """How a run ended.

    Attributes:
        state: where it is. `state.metrics` is the last evaluation, `state.best_metrics` the best one.
        interrupted: ended by Ctrl-C or SIGTERM with a checkpoint, to be continued.
        stopped_early: the monitored number did not get better any more.
    """

    state: RunState
    interrupted: bool
    stopped_early: bool


def train(
    trainable: Trainable,
    source: Source,
    *,
    recipe: TrainRecipe,
    run_recipe: BaseModel,
    directory: Path,
    fingerprints: Mapping[str, str] | None = None,
    changeable: Collection[str] = (),
    evaluate: Evaluate | None = None,
    evaluate_first: bool = False,
    flops: Flops | None = None,
    callbacks: Sequence[Callback] = (),
    resume: bool = True,
) -> TrainResult:
    """Train `trainable` on `source`, or go on with the run in `directory`.

    Afterwards the module has the best weights when the recipe monitors a number, otherwise the last ones.

    Args:
        trainable: the model and its losses, initialised.
        source: the training data.
        recipe: how to train.
        run_recipe: the whole recipe, with `recipe` under the key `train`; written as recipe.yaml and compared
            when the run is resumed.
        directory: the run directory; this process holds it for itself while it trains.
        fingerprints: hashes of what else must be the same when the run is resumed (data, vocabulary).
        changeable: dotted keys of `run_recipe` that may differ when the run is resumed.
        evaluate: scores the model on held-out data.
        evaluate_first: whether to do so before the first step, too.
        flops: operations of a batch, for the share of the device's speed that is used; None leaves it out.
        callbacks: told what happens.
        resume: go on with the run in `directory`; False moves its files into `previous-N/` and starts over.
    Raises:
        ConfigError: the recipe makes no sense, or is not that of the run in `directory`.
        StorageError: the disk refuses, or another process trains in `directory`.
        CheckpointError: all checkpoints of the run are damaged.
        TrainingError: too many steps could not be taken, or something does not fit into memory.
    """
    device = own_device(recipe.device)
    use_processor(recipe.threads)
    with (
        joined(device) as ranks,
        exclusive(directory) if ranks.is_first else nullcontext(),
        deterministic(recipe.deterministic),
    ):
        if not resume and ranks.is_first:
            set_aside(directory)
        loop = Loop(
            trainable,
            source,
            ranks=ranks,
            device=device,
            recipe=recipe,
            directory=directory,
            identity=identity_of(run_recipe, fingerprints or {}),
            evaluate=evaluate,
            evaluate_first=evaluate_first,
            flops=flops,
            callbacks=callbacks,
        )
        loop.restore(changeable, type(run_recipe))
        if ranks.is_first:
            with atomic_write(directory / RECIPE_FILE) as stream:
                stream.write(dump_yaml(run_recipe).encode())
        return loop.run()


class Loop:
    """A run in progress. Use `train`, which holds the directory and restores the state."""

    def __init__(
        self,
        trainable: Trainable,
        source: Source,
        *,
        ranks: Ranks,
        device: torch.device,
        recipe: TrainRecipe,
        directory: Path,
        identity: Mapping[str, Any],
        evaluate: Evaluate | None,
        evaluate_first: bool,
        flops: Flops | None,
        callbacks: Sequence[Callback],
    ) -> None:
        if recipe.monitor is not None and evaluate is None:
            raise ConfigError("train.monitor is set, but there is no held-out data to evaluate on")
        self.trainable, self.source, self.recipe = trainable, source, recipe
        self.directory, self.identity, self.ranks, self.device = directory, identity, ranks, device
        self.evaluate, self.evaluate_first = evaluate, evaluate_first
        self.callbacks = list(callbacks) if ranks.is_first else []
        self.length = Length(recipe, source)
        self.dtype = dtype = pick_dtype(recipe.precision, self.device)
        self.flops = flops
        self.autocast = torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32)
        self.state = RunState(machine=machine_of(self.device, dtype, ranks))
        trainable.module.to(self.device).train()
        self.spread = spread(trainable.module, recipe.parallel, ranks)
        self.optimiser = build_optimiser(self.spread.module, recipe)
        self.average = build_average(self.spread.module, recipe.average)
        self.keeping = Keeping(
            directory / CHECKPOINTS_DIRECTORY,
            keep=recipe.keep_checkpoints,
            spread=self.spread,
            optimiser=self.optimiser,
            average=self.average,
            callbacks=self.callbacks,
        )
        self.saved_step, self.save_is_due = -1, False

    def restore(self, changeable: Collection[str], recipe: type[BaseModel]) -> None:
        """Take up the last whole checkpoint, if there is one, and the record up to it."""
        found = self.keeping.latest(tell=self._tell)
        if found is not None:
            now = self.state.machine
            self.state, former = found[0], brought_up_to_date(found[1], recipe)
            require_same(former, self.identity, where=str(self.directory), changeable=changeable)
            note = steering_note(former, self.identity, step=self.state.step + 1)
            for text in filter(None, (machine_changes(self.state.machine, now), note)):
                self.state.notes.append(text)
                self._tell(text)
            self.state.machine = now
            if changed_keys(former, self.identity, ["train.micro_batch_tokens"]):
                self.state.micro_batch_tokens = None
            step = self.saved_step = self.state.step
            self.keeping.load(step)
        self.trouble = Trouble(self.recipe, self.state, directory=self.directory)
        self.micro_batches = MicroBatches(
            self.recipe, self.state, spread=self.spread, device=self.device, tell=self._tell
        )
        self.record = self._open_record() if self.ranks.is_first else None
        self.vitals = Vitals(
            self.spread.module,
            every_steps=self.recipe.log_every_steps,
            flops=self.flops,
            matrix_rate=None if self.flops is None else self._matrix_rate(),
        )

    def _open_record(self) -> Record:
        record = Record(
            self.directory,
            step=self.state.step,
            metrics_bytes=self.state.metrics_bytes,
            every_steps=self.recipe.log_every_steps,
            trackers=self.recipe.trackers,
            recipe=self.identity["recipe"],
            tell=self._tell,
        )
        if record.lost_bytes:
            self._tell(f"metrics.jsonl is {record.lost_bytes} bytes shorter than it was: lines are lost")
        self.callbacks.insert(0, record)
        return record

    def _matrix_rate(self) -> float | None:
        """Of this device, measured once a run and machine; of the first rank's alone."""
        if self.record is None:
            return None
        return known_rate(self.record.run_file.matrix_rates, self.device, self.dtype)

    def run(self) -> TrainResult:
        """Take steps until the run is over, stopped early or interrupted; leave a checkpoint."""
        try:
            self._start()
            ahead = Ahead(self.source, pace_for(self.device, num_local=self.ranks.num_local))
            with interruptible(patient=not self.ranks.is_alone) as interrupt, ahead:
                self.micro_batches.guess(self.trainable, self.source, self.autocast)
                if self.evaluate_first and self.state.step == 0:
                    self._evaluate()
                while not (over := self._is_over()) and not self._must_end(interrupt):
                    self._step(ahead)
                    if self._evaluation_is_due() or self._is_over():
                        self._evaluate()
                    self._save_when_due()
                if over and self.state.evaluated_step != self.state.step:
                    self._evaluate()
                self._save()
                self.keeping.settle(wait=True)
                if over:
                    self.keeping.take_final_weights(self.state)
                if self.record is not None:
                    self.record.status = "finished" if over else "interrupted"
        finally:
            self.keeping.close()
            for callback in self.callbacks:
                callback.on_end()
        stopped_early = over and not self.length.reached(self.state)
        return TrainResult(state=self.state, interrupted=not over, stopped_early=stopped_early)

    def _must_end(self, interrupt: Interrupt) -> bool:
        """Whether a rank was asked to end; all of them end after the same step.

        Raises:
            StorageError: the checkpoint begun last could not be written.
        """
        asked = {"end": interrupt.asked, "failed": self.keeping.failed}
        found = self.ranks.sum_counts({name: int(flag) for name, flag in asked.items()})
        self.keeping.settle(wait=found["failed"] > 0)
        return found["end"] > 0

    def _step(self, ahead: Ahead) -> None:
        """One optimiser step: fetch, learn, count, tell."""
        state, began = self.state, time.perf_counter()
        self.vitals.before_step(state.step + 1)
        rate_factor = self.length.rate_factor(state)
        self.optimiser.set_rate(rate_factor)
        result, micro_batches, waited_s = self._learn(ahead)
        if result.fault is None and self.average is not None:
            self.average.update(self.length.progress(state))
        seconds = time.perf_counter() - began
        if self.recipe.max_time_s is not None:  # then the ranks' clocks must agree
            seconds = self.ranks.broadcast(seconds)
        state.step += 1
        state.tokens += result.tokens
        state.sequences += result.sequences
        state.seconds += seconds
        if (skip := self.trouble.count(result)) is not None:
            self._tell(f"step {skip.step} skipped: {skip.cause} (epoch {skip.epoch}, batch {skip.batch})")
            if self.trouble.wants_rewind(skip):
                self._rewind(skip)
        report = StepReport(
            step=state.step,
            epoch=state.epoch,
            loss=None if result.fault else result.loss,
            grad_norm=None if result.fault else result.grad_norm,
            lr=self.recipe.learning_rate * rate_factor,
            tokens=state.tokens,
            tokens_per_s=result.tokens / seconds,
            progress=self.length.progress(state),
            batch=state.batch,
            skipped=result.fault,
            extra={"data_wait_s": waited_s, **self._measure(result, micro_batches, seconds)},
        )
        state.epoch, state.batch = next_place(self.source, state.epoch, state.batch)
        for callback in self.callbacks:
            callback.on_step(report)
        self.trouble.stop_when_stuck()

    def _learn(self, ahead: Ahead) -> tuple[StepResult, Sequence[PackedBatch], float]:
        """Take the step, in smaller pieces where memory runs out; also the pieces, and the time waited."""
        state = self.state
        seed = int(generator(_DROPOUT, self.recipe.seed, state.step, self.ranks.rank).integers(2**63))
        while True:
            began = time.perf_counter()
            micro_batches = ahead.take(state.epoch, state.batch, self.micro_batches.share)
            waited_s = time.perf_counter() - began
            try:
                result = take_step(
                    self.trainable,
                    micro_batches,
                    self.optimiser,
                    spread=self.spread,
                    autocast=self.autocast,
                    clip_norm=self.recipe.clip_norm,
                    seed=seed,
                    refuse=self.trouble.refuse,
                )
                return result, micro_batches, waited_s
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                cause = shortage(error)
            # Not in the handler: the error holds on to the tensors of the step that failed.
            self.optimiser.zero_grad()
            self.micro_batches.halve(micro_batches, self.trainable, cause=cause)

    def _measure(
        self, result: StepResult, batches: Sequence[PackedBatch], seconds: float
    ) -> dict[str, float]:
        """What else there is to say about a step; `state.epoch` and `state.batch` still name its batch."""
        return {
            "sequences": self.state.sequences,
            "epoch_share": (self.state.batch + 1) / self.source.num_batches(self.state.epoch),
            **self.vitals.of_batches(batches, seconds=seconds),
            **self.vitals.after_step(None if result.fault else result.grad_norm),
        }

    def _rewind(self, skip: Skip) -> None:
        """Go back to the weights of the last checkpoint, and on in the data: what led here is left out."""
        found = self.keeping.latest(tell=self._tell)
        if found is None:
            self._tell("there is no checkpoint yet to rewind to, so the batch alone is left out")
            return
        former, _ = found
        skip.rewound_to = former.step
        self.keeping.load(former.step)
        self.state.losses[:] = former.losses
        self._tell(f"went back to the weights of step {former.step}, and on with the batch after")

    def _save_when_due(self) -> None:
        """Put off while steps are being skipped: the weights may be the cause."""
        self.save_is_due |= self.state.step % self.recipe.save_every_steps == 0
        if self.save_is_due and not self.state.skips_in_row:
            self._save()

    def _evaluation_is_due(self) -> bool:
        every = self.recipe.eval_every_steps
        return self.state.batch == 0 if every is None else self.state.step % every == 0

    def _evaluate(self) -> None:
        """Score the model, remember whether it is the best so far, and keep the best."""
        if self.evaluate is None:
            return
        metrics = score(self.evaluate, self.trainable, self.spread, self.average, self.autocast)
        self.state.evaluated_step, self.state.metrics = self.state.step, metrics
        self.saved_step = -1
        for callback in self.callbacks:
            callback.on_evaluate(self.state.step, metrics)
        monitor = self.recipe.monitor
        if monitor is not None and note_best(self.state, monitor, metrics):
            self._save()

    def _is_over(self) -> bool:
        monitor = self.recipe.monitor
        patience = None if monitor is None else monitor.patience
        out_of_patience = patience is not None and self.state.evaluations_since_best >= patience
        return out_of_patience or self.length.reached(self.state)

    def _save(self) -> None:
        """Write the checkpoint of this step, unless it is there."""
        if self.saved_step == self.state.step:
            return
        if self.record is not None:
            self.state.metrics_bytes = self.record.sync()
        self.keeping.save(self.state, identity=self.identity)
        self.saved_step, self.save_is_due = self.state.step, False

    def _start(self) -> None:
        num_parameters = sum(p.numel() for p in self.trainable.module.parameters() if p.requires_grad)
        start = RunStart(self.state.step, self.length.total_steps, num_parameters)
        for callback in self.callbacks:
            callback.on_start(start)
        if self.length.doubt is not None:
            self._tell(self.length.doubt)

    def _tell(self, text: str) -> None:
        for callback in self.callbacks:
            callback.on_message(text)
