"""What training craft is worth on a thousand labelled texts: one switch at a time against plain fine-tuning.

Every arm fine-tunes the same pre-trained model on the same thousand training texts of ChnSentiCorp (accuracy)
and the same thousand of CLUENER (F1 of whole entities), with other seeds of the head, the order and dropout;
the last state is scored on the official dev split, so that nothing is chosen by what it is scored on.
Learning rates are those that were best on seed 99, which is not among the seeds of the table: one for LoRA,
one for a frozen encoder, and that of plain fine-tuning for all other arms. R-Drop needs dropout, so it stands
beside an arm with dropout alone.

A finished run is a JSON file under `--work`, so the set can be stopped and started again:

    python -m benchmarks.study_craft --model DIR --work DIR
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import shutil
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.harness import machine, save

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data")) / "tasks"
SEARCH_SEED = 99
_AT_THE_END = 1_000_000  # steps between evaluations: more than there are


@dataclass(frozen=True)
class Arm:
    """What is switched on, and whose learning rate is taken."""

    says: str
    overrides: Sequence[str] = ()
    rates_of: str = "base"
    tasks: Sequence[str] = ("chnsenticorp", "cluener")


_DROPOUT = "craft.hidden_dropout_prob=0.1"
ARMS = {
    "base": Arm("plain fine-tuning"),
    "layer_decay": Arm("each layer has 0.8 of the rate above it", ["train.layer_decay=0.8"]),
    "fgm": Arm("adversarial, one step of length 1", ["craft.adversarial={epsilon: 1.0}"]),
    "fgm_short": Arm("the same of length 0.2", ["craft.adversarial={epsilon: 0.2}"]),
    "pgd": Arm("adversarial, three steps within 1", ["craft.adversarial={epsilon: 1.0, steps: 3}"]),
    "dropout": Arm("dropout of 0.1 in the encoder", [_DROPOUT]),
    "r_drop": Arm("the same with R-Drop, weight 1", [_DROPOUT, "craft.r_drop={weight: 1.0}"]),
    "smoothing": Arm("labels smoothed by 0.1", ["craft.label_smoothing=0.1"]),
    "mixup": Arm("mixup, alpha 0.2", ["craft.mixup={alpha: 0.2}"], tasks=["chnsenticorp"]),
    "samples": Arm(
        "8 samples of head dropout 0.5", ["craft.dropout_samples=8", "classifier_dropout_prob=0.5"]
    ),
    "word_dropout": Arm("a tenth of the tokens masked", ["craft.word_dropout={prob: 0.1}"]),
    "ema": Arm("running mean of the weights, 0.99", ["train.average={kind: ema, decay: 0.99}"]),
    "swa": Arm(
        "equal mean of the last quarter, rate not to zero",
        ["train.average={kind: swa, start_ratio: 0.75}", "train.final_lr_ratio=0.3"],
    ),
    "frozen": Arm(
        "encoder frozen, its states cached",
        ["craft={freeze: all, cached_states: float16}"],
        rates_of="frozen",
    ),
    "lora": Arm(
        "LoRA, rank 8, all matrices",
        ["craft.lora={rank: 8, alpha: 16, targets: [qkv, output, feedforward]}"],
        rates_of="lora",
    ),
}
RATES = {"base": (3e-4, 1e-3, 3e-3), "lora": (1e-3, 3e-3, 1e-2), "frozen": (1e-3, 3e-3, 1e-2)}


@dataclass(frozen=True)
class TaskSetting:
    """A task of the study.

    Attributes:
        title: of its column.
        score: its number in metrics.
        epochs: passes over the training texts.
        train, dev: files under the data's folder.
        options: of the recipe.
    """

    title: str
    score: str
    epochs: int
    train: str
    dev: str
    options: Sequence[str] = ()


TASKS = {
    "chnsenticorp": TaskSetting(
        "ChnSentiCorp dev accuracy", "eval_accuracy", 6, "chnsenticorp/train.tsv.xz", "chnsenticorp/dev.tsv",
        ["text=text_a", "truncate=true"],
    ),
    "cluener": TaskSetting(
        "CLUENER dev F1", "eval_f1", 12, "cluener/train.json.xz", "cluener/dev.json", ["head=linear"]
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """Where things are and how much is done."""

    model: Path
    work: Path
    texts: int
    dev_texts: int | None
    epochs: int | None
    threads: int = 1


@dataclass(frozen=True)
class Run:
    """One arm on one task with one seed; its result is a file."""

    arm: str
    task: str
    seed: int
    rate: float
    setting: Setting

    @property
    def path(self) -> Path:
        """Where the result is."""
        return self.setting.work / self.task / f"{self.arm}-{self.rate:g}-{self.seed}.json"

    def result(self) -> dict[str, float]:
        """Score and CPU seconds; computed where they are not there yet."""
        if not self.path.exists():
            import erya.tasks.finetune  # noqa: F401  # what importing takes is no arm's

            began = time.process_time()
            score = self._fine_tune()
            found = {"score": score, "cpu_s": round(time.process_time() - began, 1)}
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(found), encoding="utf-8")
            partial.replace(self.path)
            print(f"{self.task}: {self.path.stem}: {found}", flush=True)
        loaded: dict[str, float] = json.loads(self.path.read_text(encoding="utf-8"))
        return loaded

    def _fine_tune(self) -> float:
        from erya.config import load_config
        from erya.tasks.finetune import finetune
        from erya.tasks.table import KINDS

        kind = KINDS["classify" if self.task == "chnsenticorp" else "tag"]
        recipe = load_config(kind.recipe, None, [*self._common(), *ARMS[self.arm].overrides])
        directory = self.path.with_suffix("")
        done = finetune(recipe, directory, tell=lambda text: None)
        if done.model is None:
            raise KeyboardInterrupt
        score = done.result.state.metrics[TASKS[self.task].score]
        shutil.rmtree(directory)  # checkpoints of a hundred runs
        return score

    def _common(self) -> list[str]:
        task, setting = TASKS[self.task], self.setting
        return [
            f"model={setting.model}", f"train_file={part_of(task.train, setting.texts, setting.work)}",
            f"dev_file={part_of(task.dev, setting.dev_texts, setting.work)}", *task.options,
            "max_length=128", "batch_size=32", "classifier_dropout_prob=0.1",
            f"train.epochs={setting.epochs or task.epochs}", f"train.learning_rate={self.rate}",
            f"train.seed={self.seed}", f"train.threads={setting.threads}", "train.device=cpu",
            "train.trackers=[]", "train.log_every_steps=10", f"train.eval_every_steps={_AT_THE_END}",
            "train.monitor.patience=null",
        ]  # fmt: skip


def part_of(name: str, texts: int | None, work: Path) -> Path:
    """A file with so many lines of another, the same for all runs; None: the file itself."""
    source = DATA / name
    if texts is None:
        return source
    plain = Path(name.removesuffix(".xz"))
    path = work / "data" / f"{plain.parent.name}-{plain.stem}-{texts}{plain.suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        data = source.read_bytes()
        lines = (
            (lzma.decompress(data) if name.endswith(".xz") else data)
            .decode("utf-8")
            .splitlines(keepends=True)
        )
        head = lines[:1] if path.suffix == ".tsv" else []
        rows = lines[len(head) :]
        chosen = sorted(np.random.default_rng(0).choice(len(rows), min(texts, len(rows)), replace=False))
        partial = path.with_suffix(".partial")
        partial.write_text("".join([*head, *(rows[number] for number in chosen)]), encoding="utf-8")
        partial.replace(path)
    return path


def all_results(runs: Sequence[Run], *, workers: int) -> list[dict[str, float]]:
    """The numbers of runs, each worked out in a process of its own."""
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), max_tasks_per_child=1)
    with pool:
        return list(pool.map(Run.result, runs))


Rates = dict[tuple[str, str], float]
"""The learning rate by task and by what it is for."""
Results = dict[tuple[str, str], list[dict[str, float]]]
"""What runs gave, by task and arm, a seed each."""


def best_rates(setting: Setting, arms: Sequence[str], *, workers: int) -> tuple[Rates, list[str]]:
    """The rates with the best score on the search's seed; also what was found, in words."""
    wanted = sorted({ARMS[arm].rates_of for arm in arms})
    runs = [
        Run(arm, task, SEARCH_SEED, rate, setting) for task in TASKS for arm in wanted for rate in RATES[arm]
    ]
    scores = {
        (run.task, run.arm, run.rate): found["score"]
        for run, found in zip(runs, all_results(runs, workers=workers), strict=True)
    }
    rates: Rates = {}
    said = []
    for task in TASKS:
        for arm in wanted:
            found = {rate: scores[task, arm, rate] for rate in RATES[arm]}
            rates[task, arm] = max(found, key=lambda rate: found[rate])
            listed = ", ".join(f"{rate:g} gave {100 * score:.1f}" for rate, score in found.items())
            said.append(f"- {task}, {arm}: {listed}; {rates[task, arm]:g} taken")
    return rates, said


def cell(results: Sequence[dict[str, float]], base: Sequence[dict[str, float]], *, is_base: bool) -> str:
    """Mean and spread (half the range) in percent, and the mean of the differences seed by seed."""
    if not results:
        return " | "
    scores = [100 * found["score"] for found in results]
    spread = (max(scores) - min(scores)) / 2
    text = f"{statistics.mean(scores):.2f} ± {spread:.2f} | "
    if is_base:
        return text
    gains = [100 * (found["score"] - other["score"]) for found, other in zip(results, base, strict=True)]
    return f"{text}{statistics.mean(gains):+.2f} ({sum(gain > 0 for gain in gains)} of {len(gains)})"


def page(setting: Setting, arms: Sequence[str], results: Results, said: Sequence[str]) -> str:
    """The results as Markdown."""
    paths = [path for task in TASKS for path in setting.work.glob(f"{task}/*.json")]
    seconds = [json.loads(path.read_text(encoding="utf-8"))["cpu_s"] for path in paths]
    titles = " | ".join(f"{task.title} | against base" for task in TASKS.values())
    rows = []
    for arm in arms:
        cells = [
            cell(results.get((task, arm), []), results[task, "base"], is_base=arm == "base") for task in TASKS
        ]
        paid = [
            statistics.mean(found["cpu_s"] for found in results[task, arm])
            / statistics.mean(found["cpu_s"] for found in results[task, "base"])
            for task in ARMS[arm].tasks
        ]
        rows.append(f"| {arm} | {ARMS[arm].says} | {' | '.join(cells)} | {statistics.mean(paid):.1f} |")
    lines = [
        f"# A study of training craft\n\n{machine()}, {sum(seconds) / 3600:.1f} CPU hours.\n\n{__doc__}",
        f"The model: {_sizes(setting.model)}. {setting.texts:,} training texts of each task, batches of 32, "
        + " and ".join(f"{setting.epochs or task.epochs} epochs of {name}" for name, task in TASKS.items())
        + ", head dropout 0.1, AdamW, linear decay.\n",
        "Scores of the search for a learning rate:\n",
        *said,
        "\nMean over the seeds ± half of the range, in percent; then the mean of the differences to `base` of"
        " the same seed, and for how many seeds it is above 0. CPU time by that of `base`, the evaluation at"
        " the end included.\n",
        f"| arm | what | {titles} | CPU time |",
        f"| --- | --- |{' ---: |' * (2 * len(TASKS) + 1)}",
        *rows,
    ]
    return "\n".join(lines) + "\n"


def _sizes(model: Path) -> str:
    from erya.checkpoints.directory import read_model

    config = read_model(model).encoder_config
    return f"{config.num_layers} layers of {config.hidden_size}, family {config.family}"


def main() -> None:
    """Run what is not done yet and write `results/study-craft-*.md`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=1000, help="training texts of each task")
    parser.add_argument("--dev-texts", type=int, help="of each dev file; all of it")
    parser.add_argument("--epochs", type=int, help="of both tasks; each has its own")
    parser.add_argument("--arm", choices=sorted(ARMS), action="append", help="besides base; all of them")
    parser.add_argument("--workers", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--page", default="study-craft", help="name of the page under results/")
    arguments = parser.parse_args()
    setting = Setting(arguments.model, arguments.work, arguments.texts, arguments.dev_texts, arguments.epochs)
    for task in TASKS.values():
        part_of(task.train, setting.texts, setting.work)
        part_of(task.dev, setting.dev_texts, setting.work)
    arms = list(dict.fromkeys(["base", *(arguments.arm or ARMS)]))
    rates, said = best_rates(setting, arms, workers=arguments.workers)
    runs = [
        Run(arm, task, seed, rates[task, ARMS[arm].rates_of], setting)
        for seed in range(arguments.seeds)
        for arm in arms
        for task in ARMS[arm].tasks
    ]
    results: Results = {}
    for run, found in zip(runs, all_results(runs, workers=arguments.workers), strict=True):
        results.setdefault((run.task, run.arm), []).append(found)
    save(arguments.page, page(setting, arms, results, said))


if __name__ == "__main__":
    main()
