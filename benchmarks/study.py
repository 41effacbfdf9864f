"""What pays in Chinese masked language modelling: one change at a time against the same small model.

The base is the recipe zh-modern made small: rotary positions, norms before the parts, gates, Muon, whole
words, 30 % masked, nothing about pairs. Every arm reads the same number of tokens of the same shards, three
times with other seeds (fresh weights, order, masks). A model is judged by held-out text with 15 % of the
tokens hidden in the same places for all arms, once whole words and once single tokens; and by what it is
worth fine-tuned, on the dev splits of ChnSentiCorp (accuracy) and CLUENER (F1 of entities). Learning rates
are those that were best for Muon and for AdamW on seed 99, which is not among the seeds of the table.

A finished stage of a run is a JSON file under `--work`, so the set can be stopped and started again:

    python -m benchmarks.study --shards SHARDS --work DIR
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.harness import machine, save
from benchmarks.study_tasks import Fitting, chnsenticorp_accuracy, cluener_f1

LAYERS, WIDTH, LENGTH, BATCH_TOKENS = 2, 128, 64, 1024
MODERN = [
    "model.family=modernbert", "model.num_segments=0", "model.pre_norm=true", "model.gated=true",
    "model.intermediate_size=384", "model.positions={kind: rotary, base: 10000}", "model.norm_bias=false",
    "model.attention_bias=false", "model.feedforward_bias=false", "model.head_bias=false",
    "model.layer_norm_eps=1.0e-5",
    "model.pooler={activation: gelu, pooling: first, bias: false, norm: true}",
    "model.dense_token_heads=true",
]  # fmt: skip


@dataclass(frozen=True)
class Arm:
    """One way to pre-train: what differs from the base, and whose learning rate it takes."""

    says: str
    overrides: Sequence[str] = ()
    rates_of: str = "base"
    modern: bool = True


ARMS = {
    "base": Arm("zh-modern's blocks, Muon, whole words, 30 % masked, no pairs"),
    "adamw": Arm("AdamW for all weights", ["train.optimiser={kind: adamw}"], "adamw"),
    "char": Arm("single tokens masked", ["masking.unit=token"]),
    "nsp": Arm("next-sentence prediction", ["objective.pairs=next"]),
    "mask15": Arm("15 % masked", ["masking.prob=0.15"]),
    "mask40": Arm("40 % masked", ["masking.prob=0.4"]),
    "classical": Arm("BERT's blocks: positions learnt, norms after, no gates, biases", modern=False),
}
RATES = {"base": (1e-3, 3e-3, 6e-3), "adamw": (1e-3, 3e-3, 6e-3)}
SEARCH_SEED = 99
COLUMNS = {
    "word_loss": "loss, words", "word_accuracy": "accuracy, words", "token_accuracy": "accuracy, tokens",
    "chnsenticorp": "ChnSentiCorp dev", "cluener": "CLUENER dev F1",
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Where things are and how much is done."""

    shards: Path
    work: Path
    tokens: int
    search_tokens: int
    fitting_examples: int | None
    tell: Callable[[str], None] = print


def recipe_of(arm: str, setting: Setting, *, seed: int, rate: float) -> Any:
    """The pre-training recipe of a run."""
    from erya.config import load_config
    from erya.pretrain.recipe import PretrainRecipe

    tokens = setting.search_tokens if seed == SEARCH_SEED else setting.tokens
    steps = max(tokens // BATCH_TOKENS, 1)
    common = [
        f"data.shards={setting.shards}", f"data.max_length={LENGTH}",
        f"model.num_layers={LAYERS}", f"model.hidden_size={WIDTH}", f"model.num_heads={WIDTH // 64}",
        f"model.intermediate_size={4 * WIDTH}", "model.dropout_prob=0", "model.attention_dropout_prob=0",
        "masking.prob=0.3", "masking.unit=word", "evaluation.max_tokens=20000", "evaluation.baseline=false",
        f"train.max_tokens={tokens}", f"train.batch_tokens={BATCH_TOKENS}",
        "train.optimiser={kind: muon}", f"train.learning_rate={rate}", "train.schedule=wsd",
        "train.warmup_ratio=0.05", "train.decay_ratio=0.2", f"train.seed={seed}", "train.threads=1",
        "train.device=cpu", "train.log_every_steps=10", f"train.eval_every_steps={max(steps // 2, 1)}",
        "train.trackers=[]",
    ]  # fmt: skip
    blocks = MODERN if ARMS[arm].modern else ()
    return load_config(PretrainRecipe, None, [*common, *blocks, *ARMS[arm].overrides])


class Run:
    """One arm with one seed: stages that are done once, each with its results in a file.

    Args:
        arm: its name.
        setting: where and how much.
        seed: of everything random.
        rate: the greatest learning rate.
    """

    def __init__(self, arm: str, setting: Setting, *, seed: int, rate: float) -> None:
        self.name = f"{arm}-{rate:g}-{seed}"
        self.arm, self.rate, self._setting, self._seed = arm, rate, setting, seed
        self._directory = setting.work / self.name

    def results(self, *, fine_tune: bool = True) -> dict[str, float]:
        """All numbers of the run; computed where they are not there yet."""
        found = self._stage("pretrain", self._pretrain)
        found |= self._stage(
            "held_out", lambda: held_out_scores(self._directory / "run" / "model", self._setting)
        )
        if fine_tune:
            found |= self._stage(
                "chnsenticorp", lambda: self._fine_tune("chnsenticorp", chnsenticorp_accuracy, 3)
            )
            found |= self._stage("cluener", lambda: self._fine_tune("cluener", cluener_f1, 5))
        return found

    def _stage(self, name: str, compute: Callable[[], dict[str, float]]) -> dict[str, float]:
        path = self._directory / f"{name}.json"
        if not path.exists():
            began = time.process_time()
            result = compute()
            result[f"cpu_s_{name}"] = round(time.process_time() - began, 1)
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps(result), encoding="utf-8")
            partial.replace(path)
            self._setting.tell(f"{self.name}: {name}: {result}")
        found: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
        return found

    def _pretrain(self) -> dict[str, float]:
        from erya.pretrain.run import pretrain

        recipe = recipe_of(self.arm, self._setting, seed=self._seed, rate=self.rate)
        done = pretrain(recipe, self._directory / "run", tell=lambda text: None)
        if done.model is None:
            raise KeyboardInterrupt
        return {"tokens": done.result.state.tokens, "steps": done.result.state.step}

    def _fine_tune(
        self, task: str, score: Callable[[Path, Path, Fitting], float], epochs: int
    ) -> dict[str, float]:
        fitting = Fitting(
            epochs=epochs, learning_rate=1e-3, seed=self._seed, examples=self._setting.fitting_examples
        )
        return {task: score(self._directory / "run" / "model", self._directory / task, fitting)}


def held_out_scores(model: Path, setting: Setting) -> dict[str, float]:
    """Loss and accuracy on held-out text, whole words and single tokens hidden, the same for every model."""
    import torch

    from erya.checkpoints.directory import load_masked_language_model
    from erya.nn.packing import PackedTensors

    module = load_masked_language_model(model).eval()
    scores: dict[str, float] = {}
    for unit in ("word", "token"):
        total, right, count = 0.0, 0, 0
        for batch in held_out(setting, unit):
            with torch.no_grad():
                term, hits = module.score(PackedTensors.from_batch(batch, torch.device("cpu")))
            total, right, count = total + float(term.total), right + int(hits), count + term.count
        scores |= {f"{unit}_loss": total / count, f"{unit}_accuracy": right / count}
    return scores


def held_out(setting: Setting, unit: str) -> list[Any]:
    """Batches of held-out text with 15 % of the tokens hidden in words or singly."""
    from erya.pretrain.masking.masker import Masker
    from erya.pretrain.masking.units import TOKENS, WORDS
    from erya.pretrain.source import held_out_batches

    sequences, tokenizer = text_of(setting, "heldout")
    masker = Masker(
        prob=0.15, units=WORDS if unit == "word" else TOKENS, vocab_size=tokenizer.vocab_size,
        special_ids=tokenizer.special_ids | {tokenizer.unk_id}, mask_id=tokenizer.mask_id, seed=0,
    )  # fmt: skip
    return held_out_batches(sequences, masker, max_tokens=100_000, seed=0)


def bigram_scores(setting: Setting) -> dict[str, float]:
    """What a bigram model guesses in the same places."""
    from erya.pretrain.baseline import bigram_accuracy

    sequences, tokenizer = text_of(setting, "train")
    ids = {"vocab_size": tokenizer.vocab_size, "mask_id": tokenizer.mask_id}
    return {
        f"{unit}_accuracy": bigram_accuracy(sequences, held_out(setting, unit), **ids)
        for unit in ("word", "token")
    }


def text_of(setting: Setting, split: Any) -> tuple[Any, Any]:
    """The sequences of a split, and the tokenizer."""
    from erya.data.shards import Shards
    from erya.pretrain.sequences import ShardSequences
    from erya.tokenizer.wordpiece import Tokenizer

    shards = Shards.open(setting.shards, split=split)
    tokenizer = Tokenizer.open(shards.tokenizer_directory)
    sequences = ShardSequences(
        shards.shards, max_length=LENGTH, cls_id=tokenizer.cls_id, sep_id=tokenizer.sep_id
    )
    return sequences, tokenizer


def all_results(runs: Sequence[Run], *, fine_tune: bool, workers: int) -> list[dict[str, float]]:
    """The numbers of runs, each worked out in a process of its own."""
    pool = ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_one_thread, max_tasks_per_child=1
    )
    with pool:
        return list(pool.map(partial(Run.results, fine_tune=fine_tune), runs))


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def best_rates(setting: Setting, *, workers: int) -> tuple[dict[str, float], dict[str, dict[float, float]]]:
    """The learning rate of each optimiser with the least held-out loss on the search's seed; all losses."""
    runs = [Run(arm, setting, seed=SEARCH_SEED, rate=rate) for arm, rates in RATES.items() for rate in rates]
    losses: dict[str, dict[float, float]] = {arm: {} for arm in RATES}
    for run, found in zip(runs, all_results(runs, fine_tune=False, workers=workers), strict=True):
        losses[run.arm][run.rate] = found["word_loss"]
    return {arm: min(found, key=lambda rate: found[rate]) for arm, found in losses.items()}, losses


def row(name: str, says: str, runs: Sequence[dict[str, float]]) -> str:
    """A line of the table: mean and spread (half the range) over the seeds."""
    cells = []
    for key in COLUMNS:
        values = [run[key] * (1 if key == "word_loss" else 100) for run in runs if key in run]
        spread = f" ± {(max(values) - min(values)) / 2:.2f}" if len(values) > 1 else ""
        cells.append(f"{statistics.mean(values):.2f}{spread}" if values else "")
    return f"| {name} | {says} | {' | '.join(cells)} |"


def page(
    setting: Setting,
    results: dict[str, list[dict[str, float]]],
    rates: dict[str, float],
    losses: dict[str, dict[float, float]],
    bigram: dict[str, float],
) -> str:
    """The results as Markdown."""
    hours = cpu_hours(setting)
    few = setting.fitting_examples
    examples = "all training examples" if few is None else f"the first {few:,} training examples of each"
    searched = [
        f"- {arm}: "
        + ", ".join(f"{rate:g} gave {loss:.3f}" for rate, loss in found.items())
        + f"; {rates[arm]:g} taken"
        for arm, found in losses.items()
    ]
    lines = [
        f"# Studies of pre-training\n\n{machine()}, {hours:.1f} CPU hours.\n\n{__doc__}",
        f"The model: {LAYERS} layers of {WIDTH}, no dropout, {setting.tokens:,} tokens in batches of"
        f" {BATCH_TOKENS:,}, sequences of {LENGTH}. Fine-tuning: batches of 32, 3 epochs of ChnSentiCorp and"
        f" 5 of CLUENER at 1e-3, {examples}; the last state is scored.\n",
        f"Held-out loss of the search for a learning rate, {setting.search_tokens:,} tokens each (Muon's"
        " updates are as large as AdamW's):\n",
        *searched,
        "\nMean over the seeds ± half of the range; accuracies and F1 in percent.\n",
        f"| arm | what | {' | '.join(COLUMNS.values())} |",
        f"| --- | --- |{' ---: |' * len(COLUMNS)}",
        row("bigram", "counts of neighbours", [bigram]),
        *(row(arm, ARMS[arm].says, runs) for arm, runs in results.items()),
    ]
    return "\n".join(lines) + "\n"


def cpu_hours(setting: Setting) -> float:
    """CPU time of all stages that are done."""
    total = 0.0
    for path in setting.work.glob("*/*.json"):
        found = json.loads(path.read_text(encoding="utf-8"))
        total += sum(value for key, value in found.items() if key.startswith("cpu_s_"))
    return total / 3600


def main() -> None:
    """Run what is not done yet and write `results/study-*.md`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shards", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--tokens", type=int, default=2_000_000)
    parser.add_argument("--search-tokens", type=int, default=3_000_000, help="of each try of a learning rate")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--arm", choices=sorted(ARMS), action="append")
    parser.add_argument("--fitting-examples", type=int, help="of each task's training split; all of it")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each")
    arguments = parser.parse_args()
    setting = Setting(
        arguments.shards,
        arguments.work,
        arguments.tokens,
        arguments.search_tokens,
        arguments.fitting_examples,
    )
    rates, losses = best_rates(setting, workers=arguments.workers)
    arms = arguments.arm or list(ARMS)
    runs = [
        Run(arm, setting, seed=seed, rate=rates[ARMS[arm].rates_of])
        for seed in range(arguments.seeds)
        for arm in arms
    ]
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    for run, found in zip(runs, all_results(runs, fine_tune=True, workers=arguments.workers), strict=True):
        results[run.arm].append(found)
    save("study", page(setting, results, rates, losses, bigram_scores(setting)))


if __name__ == "__main__":
    main()
