"""What a model is worth on real tasks, beside random weights, a loop of `transformers` and bare characters.

Every arm learns from the official training split, chooses its best state on dev, and is scored on the
official test split once; three seeds of the head, the order and dropout. `scratch` has the sizes and the
vocabulary of the model and random weights, and is trained for twice as many epochs. `transformers` is a plain
fine-tuning loop (AdamW, linear schedule, the best of its looks at dev) over the same pre-trained model,
opened by `transformers`, padded, float32; the others compute in bfloat16 where the machine has it. `linear`
is TF-IDF of one and two characters with logistic regression or a linear SVM, whichever is better on dev.
`unseen` is the score on the test rows whose text does not stand in the training file too. The learning rate
is the usual one for the model's width unless said; `scratch` may have its own.

Where the data has no dev split (MSRA NER), a tenth of the training sentences is held out. CMRC 2018 has no
public test split: its dev split is the test here, and a tenth of the training questions is held out.

A finished run is a JSON file under `--work`, so the set can be stopped and started again; the page has all
that are there:

    python -m benchmarks.quality --model DIR --work DIR [--task NAME ...] [--rate R] [--scratch-rate R]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.harness import machine, save
from benchmarks.quality_peers import linear, plain
from benchmarks.quality_tasks import DATA, TASKS, Task
from erya.bundled import located
from erya.checkpoints.configuration import read_config_file
from erya.files import sha256_of
from erya.tasks.usual_rate import usual_rate

_SPLITS = ("dev", "test", "unseen")
ARMS = ("linear", "scratch", "pretrained", "transformers")


@dataclass(frozen=True)
class Job:
    """One run: a data set, an arm, a seed."""

    task: str
    arm: str
    seed: int


@dataclass(frozen=True)
class Setting:
    """Where things are, and at which learning rates."""

    model: Path
    work: Path
    rate: float
    scratch_rate: float


def path_of(job: Job, setting: Setting) -> Path:
    """Where the numbers of a run are."""
    return setting.work / job.task.replace(" ", "-") / f"{job.arm}-{job.seed}.json"


def result_of(job: Job, setting: Setting) -> dict[str, Any]:
    """The numbers of a run; computed where they are not there yet.

    Raises:
        SystemExit: they are there, of another recipe.
    """
    path, recipe = path_of(job, setting), recipe_of(job, setting)
    if not path.exists():
        began, place = time.process_time(), path.with_suffix("")
        peer = {"transformers": plain, "linear": linear}.get(job.arm)
        found: dict[str, Any] = dict(
            erya(job, recipe, place) if peer is None else peer(TASKS[job.task], recipe, job.seed)
        )
        found |= {"cpu_s": round(time.process_time() - began, 1), "machine": machine()}
        found |= {"recipe": _made_by(job, setting)}
        partial_file = path.with_suffix(".partial")
        partial_file.write_text(json.dumps(found), encoding="utf-8")
        partial_file.replace(path)
        told = {key: value for key, value in found.items() if key not in ("recipe", "machine")}
        print(job, told, flush=True)
    return _known(job, setting)


def _known(job: Job, setting: Setting) -> dict[str, Any]:
    """The numbers of a run that is done, if it is the one that is wanted."""
    path = path_of(job, setting)
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if result["recipe"] != _made_by(job, setting):
        raise SystemExit(f"{path} is of another recipe: choose another --work, or remove it")
    return result


def _made_by(job: Job, setting: Setting) -> dict[str, Any]:
    """All that a run's numbers depend on; the same place may hold another model by and by."""
    recipe: dict[str, Any] = recipe_of(job, setting).model_dump(mode="json")
    if job.arm == "linear":
        return {key: recipe[key] for key in ("train_file", "dev_file")}
    weights = "" if job.arm == "scratch" else sha256_of(setting.model / "model.safetensors")
    return recipe | {"weights": weights}


def recipe_of(job: Job, setting: Setting) -> Any:
    """The recipe of a run."""
    from erya.config import validate
    from erya.tasks.table import KINDS

    task = TASKS[job.task]
    train_file, dev_file, _ = task.files
    values = {
        "model": str(setting.model),
        "train_file": str(DATA / train_file),
        "dev_file": str(DATA / (dev_file or train_file)),
        "truncate": True,
        "random_init": job.arm == "scratch",
        "fold": None if dev_file else {"index": 0, "of": 10},
        "evals_per_epoch": 1,
        **task.keys,
        "train": {
            "epochs": task.epochs * (2 if job.arm == "scratch" else 1),
            "learning_rate": setting.scratch_rate if job.arm == "scratch" else setting.rate,
            "seed": job.seed, "threads": 1, "trackers": [], "monitor": {"patience": None}, **task.train,
        },
    }  # fmt: skip
    return validate(KINDS[task.kind].recipe, values, where="the benchmark")


def erya(job: Job, recipe: Any, place: Path) -> dict[str, float]:
    """A run of `erya finetune`, and its saved model on the test split."""
    from erya.tasks.finetune import finetune
    from erya.tasks.predictor import Predictor

    done = finetune(recipe, place, tell=_silent)
    assert done.model is not None
    predictor = Predictor.open(done.model, device="cpu")
    task = TASKS[job.task]
    seen = _training_texts(task, recipe)
    tally, unseen = predictor.task.tally(), predictor.task.tally()
    examples = list(predictor.kind.examples(DATA / task.files[2], columns=recipe.columns, labelled=True))
    for begin in range(0, len(examples), 512):
        part = examples[begin : begin + 512]
        answers, _ = predictor.predict_examples(part, truncate=True, max_length=recipe.max_length)
        tally.add(answers, part)
        fresh = [place for place, example in enumerate(part) if seen and example.text not in seen]
        unseen.add([answers[place] for place in fresh], [part[place] for place in fresh])
    best = done.result.state.best_metrics
    found = {"test": tally.scores().numbers()[task.metric], "dev": best[f"eval_{task.metric}"]}
    return found | ({"unseen": unseen.scores().numbers()[task.metric]} if seen else {})


def _training_texts(task: Task, recipe: Any) -> set[str]:
    """What stands in the training file of a task of single texts; nothing for other tasks."""
    from erya.tasks.table import KINDS

    if task.kind != "classify":
        return set()
    rows = KINDS["classify"].examples(DATA / task.files[0], columns=recipe.columns, labelled=True)
    return {example.text for example in rows}


def _silent(text: str) -> None:
    pass


def jobs_of(tasks: Sequence[str], arms: Sequence[str], seeds: int) -> list[Job]:
    """All runs, those of one seed before those of the next; `linear` has one, since it has no noise."""
    return [
        Job(task, arm, seed)
        for seed in range(seeds)
        for task in tasks
        for arm in arms
        if (arm != "transformers" or TASKS[task].plain)
        and (arm != "linear" or (TASKS[task].kind == "classify" and seed == 0))
    ]


def page(results: Mapping[Job, Mapping[str, Any]], setting: Setting) -> str:
    """The results as Markdown: means over seeds with half of the range."""
    hours = sum(found["cpu_s"] for found in results.values()) / 3600
    machines = "; ".join(sorted({found["machine"] for found in results.values()}))
    config = read_config_file(setting.model)
    shape = (
        f"{config['num_hidden_layers']} layers of {config['hidden_size']}, {config['vocab_size']:,} tokens"
    )
    lines = [
        f"# Quality on real tasks\n\n{machines}; {hours:.1f} CPU hours.\n\n{__doc__}",
        f"The model: {shape}. Learning rate {setting.rate:g}, from random weights {setting.scratch_rate:g}.",
        "Mean over the seeds ± half of the range, in percent.\n",
        "| data, metric | arm | seeds | dev | test | test, unseen | published |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for task in TASKS:
        for arm in ARMS:
            runs = [found for job, found in results.items() if (job.task, job.arm) == (task, arm)]
            if runs:
                said = TASKS[task].published if arm == "pretrained" else ""
                cells = " | ".join(_spread([run.get(split) for run in runs]) for split in _SPLITS)
                lines.append(f"| {task}, {TASKS[task].metric} | {arm} | {len(runs)} | {cells} | {said} |")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return ""
    if len(known) == 1:
        return f"{100 * known[0]:.2f}"
    return f"{100 * statistics.mean(known):.2f} ± {50 * (max(known) - min(known)):.2f}"


def _all_known(seeds: int, setting: Setting) -> dict[Job, dict[str, Any]]:
    jobs = jobs_of(list(TASKS), ARMS, seeds)
    return {job: _known(job, setting) for job in jobs if path_of(job, setting).exists()}


def main() -> None:
    """Run what is not done yet and write `results/quality-*.md`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--task", choices=sorted(TASKS), action="append")
    parser.add_argument("--arm", choices=ARMS, action="append")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    parser.add_argument("--rate", type=float, help="greatest learning rate; left out, usual for the width")
    parser.add_argument("--scratch-rate", type=float, help="the same for random weights; left out, as --rate")
    arguments = parser.parse_args()
    model = located(arguments.model)
    usual = usual_rate(read_config_file(model)["hidden_size"])
    rate = usual if arguments.rate is None else arguments.rate
    scratch_rate = rate if arguments.scratch_rate is None else arguments.scratch_rate
    setting = Setting(model, arguments.work, rate, scratch_rate)
    jobs = jobs_of(arguments.task or list(TASKS), arguments.arm or ARMS, arguments.seeds)
    for task in {job.task for job in jobs}:
        (arguments.work / task.replace(" ", "-")).mkdir(parents=True, exist_ok=True)
    _all_known(arguments.seeds, setting)  # before hours are spent: what is there must be of this setting
    with ProcessPoolExecutor(
        arguments.workers, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        list(pool.map(partial(result_of, setting=setting), jobs))
    save("quality", page(_all_known(arguments.seeds, setting), setting))


if __name__ == "__main__":
    main()
