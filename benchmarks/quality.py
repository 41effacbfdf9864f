"""What a model is worth on real tasks: fine-tuned, from random weights, in a plain loop of `transformers`.

Every arm learns from the official training split, chooses its best state on dev, and is scored on the
official test split once; three seeds of the head, the order and dropout. `scratch` has the sizes and the
vocabulary of the model and random weights, and is trained for twice as many epochs. `transformers` is a plain
fine-tuning loop (AdamW, linear schedule, the best of its looks at dev) over the same pre-trained model,
opened by `transformers`, padded, float32; the others compute in bfloat16 where the machine has it.

Where the data has no dev split (MSRA NER), a tenth of the training sentences is held out. CMRC 2018 has no
public test split: its dev split is the test here, and a tenth of the training questions is held out.

A finished run is a JSON file under `--work`, so the set can be stopped and started again; the page has all
that are there:

    python -m benchmarks.quality --model DIR --work DIR [--task NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import machine, save

DATA = Path(os.environ.get("ERYA_DATA", "../shared/data")) / "tasks"
ARMS = ("scratch", "pretrained", "transformers")


@dataclass(frozen=True)
class Task:
    """A data set and how it is fine-tuned on.

    Attributes:
        kind: of the task.
        files: training, dev and test file; without dev a tenth of training is held out.
        keys: of the recipe.
        epochs: of training; from random weights twice as many.
        metric: in the scores' numbers.
        published: scores of others, from the data's README.
        plain: the class of the plain loop's model; None has no such arm.
    """

    kind: str
    files: tuple[str, str | None, str]
    keys: Mapping[str, Any]
    epochs: int
    metric: str
    published: str
    plain: str | None = None
    train: Mapping[str, Any] = field(default_factory=dict)


TASKS = {
    "ChnSentiCorp": Task(
        "classify", ("chnsenticorp/train.tsv.xz", "chnsenticorp/dev.tsv", "chnsenticorp/test.tsv"),
        {"text": "text_a", "max_length": 128}, 3, "accuracy",
        "BERT 94.7, RBT3 92.8, TF-IDF 92.8", "AutoModelForSequenceClassification",
    ),
    "Resume NER": Task(
        "tag", ("resume_ner/train.char.bmes", "resume_ner/dev.char.bmes", "resume_ner/test.char.bmes"),
        {"max_length": 128, "bad_entities": "skip"}, 8, "f1", "", "AutoModelForTokenClassification",
    ),
    "MSRA NER": Task(
        "tag", ("msra_ner/train.bio.xz", None, "msra_ner/test.bio"),
        {"max_length": 128, "head": "crf", "bad_entities": "skip"}, 1, "f1", "BERT 94.9, LatticeLSTM 93.18",
    ),
    "THUCNews titles": Task(
        "classify", ("thucnews_title/train.txt.xz", "thucnews_title/dev.txt", "thucnews_title/test.txt"),
        {"text": "1", "label": "2", "max_length": 64}, 1, "accuracy",
        "BERT 94.83, fastText 92.23, TextCNN 91.22, BiLSTM 91.12 (all on twice the training titles)",
    ),
    "STS-B": Task(
        "embed", ("stsb_zh/train.txt", "stsb_zh/dev.txt", "stsb_zh/test.txt"),
        {"text": "1", "pair": "2", "score": "3", "max_length": 128}, 4, "spearman", "BERT with CoSENT 79.27",
    ),
    "CMRC 2018 dev": Task(
        "answer", ("cmrc2018/train.json.xz", None, "cmrc2018/dev.json.xz"),
        {"max_length": 256, "stride": 64, "bad_answers": "skip"}, 2, "f1", "BERT 84.0, RBT3 80.3",
    ),
}  # fmt: skip


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
    rates: Mapping[str, float]


def path_of(job: Job, setting: Setting) -> Path:
    """Where the numbers of a run are."""
    return setting.work / job.task.replace(" ", "-") / f"{job.arm}-{job.seed}.json"


def result_of(job: Job, setting: Setting) -> dict[str, Any]:
    """The numbers of a run; computed where they are not there yet.

    Raises:
        SystemExit: they are there, of another recipe.
    """
    path, recipe = path_of(job, setting), recipe_of(job, setting)
    made_by = recipe.model_dump(mode="json")
    if not path.exists():
        began, place = time.process_time(), path.with_suffix("")
        run = plain if job.arm == "transformers" else erya
        found: dict[str, Any] = dict(run(job, recipe, place))
        found |= {"cpu_s": round(time.process_time() - began, 1), "recipe": made_by}
        partial_file = path.with_suffix(".partial")
        partial_file.write_text(json.dumps(found), encoding="utf-8")
        partial_file.replace(path)
        print(job, {key: value for key, value in found.items() if key != "recipe"}, flush=True)
    result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if result["recipe"] != made_by:
        raise SystemExit(f"{path} is of another recipe: choose another --work, or remove it")
    return result


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
            "learning_rate": setting.rates[task.kind],
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
    tally = predictor.task.tally()
    examples = list(predictor.kind.examples(DATA / task.files[2], columns=recipe.columns, labelled=True))
    for begin in range(0, len(examples), 512):
        part = examples[begin : begin + 512]
        answers, _ = predictor.predict_examples(part, truncate=True, max_length=recipe.max_length)
        tally.add(answers, part)
    best = done.result.state.best_metrics
    return {"test": tally.scores().numbers()[task.metric], "dev": best[f"eval_{task.metric}"]}


def plain(job: Job, recipe: Any, place: Path) -> dict[str, float]:
    """A plain loop over the padded model of `transformers`, scored by the same task."""
    import torch
    import transformers

    from erya.tasks.batches import ExampleBatches
    from erya.tasks.preparation import prepare
    from erya.tasks.texts import LengthLimit

    torch.manual_seed(job.seed)
    torch.set_num_threads(1)
    prepared = prepare(recipe, _silent)
    task, labels = TASKS[job.task], prepared.task.labels or ()
    model = getattr(transformers, task.plain or "").from_pretrained(recipe.model, num_labels=len(labels))
    source = ExampleBatches(prepared.train.features, batch_size=32, batch_tokens=16384, seed=job.seed)
    steps = recipe.train.epochs * source.num_batches(0)
    optimiser = torch.optim.AdamW(model.parameters(), lr=recipe.train.learning_rate, weight_decay=0.01)
    schedule = transformers.get_linear_schedule_with_warmup(optimiser, steps // 10, steps)
    best, weights = -1.0, None
    for epoch in range(recipe.train.epochs):
        model.train()
        for index in range(source.num_batches(epoch)):
            (batch,) = source.batch(epoch, index)
            loss = model(**_padded(batch, task.kind)).loss
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
        score = _plain_score(model, prepared.task, prepared.dev_examples, prepared.dev, task)
        if score > best:
            best, weights = score, {name: value.clone() for name, value in model.state_dict().items()}
    model.load_state_dict(weights or {})
    examples = list(prepared.kind.examples(DATA / task.files[2], columns=recipe.columns, labelled=True))
    limit = LengthLimit(recipe.max_length, True, recipe.max_length)
    encoded = prepared.task.encode(examples, prepared.tokenizer, limit=limit)
    return {"test": _plain_score(model, prepared.task, examples, encoded, task), "dev": best}


def _plain_score(model: Any, task: Any, examples: Sequence[Any], encoded: Any, wanted: Task) -> float:
    import torch

    from erya.data.batches import pack

    model.eval()
    outputs: list[Any] = []
    for begin in range(0, len(encoded.features), 64):
        batch = pack(encoded.features[begin : begin + 64])
        inputs = _padded(batch, wanted.kind)
        inputs.pop("labels", None)
        with torch.no_grad():
            logits = model(**inputs).logits.numpy()
        lengths = np.diff(batch.bounds)
        outputs += (
            list(logits)
            if wanted.kind == "classify"
            else [row[:length] for row, length in zip(logits, lengths, strict=True)]
        )
    tally = task.tally()
    tally.add(task.decode(outputs, encoded, examples), examples)
    return float(tally.scores().numbers()[wanted.metric])


def _padded(batch: Any, kind: str) -> dict[str, Any]:
    import torch
    from torch.nn.utils.rnn import pad_sequence

    def rectangle(rows: Any, fill: int) -> Any:
        parts = np.split(np.asarray(rows, np.int64), batch.bounds[1:-1])
        return pad_sequence([torch.as_tensor(part) for part in parts], True, fill)

    inputs = {
        "input_ids": rectangle(batch.ids, 0),
        "attention_mask": rectangle(np.ones(batch.num_tokens), 0),
    }
    if kind == "tag":
        return inputs | {"labels": rectangle(batch.targets["tags"], -100)}
    return inputs | {"labels": torch.as_tensor(batch.targets["labels"])}


def _silent(text: str) -> None:
    pass


def jobs_of(tasks: Sequence[str], arms: Sequence[str], seeds: int) -> list[Job]:
    """All runs, those of one seed before those of the next."""
    return [
        Job(task, arm, seed)
        for seed in range(seeds)
        for task in tasks
        for arm in arms
        if arm != "transformers" or TASKS[task].plain
    ]


def page(results: Mapping[Job, Mapping[str, Any]], setting: Setting) -> str:
    """The results as Markdown: means over seeds with half of the range."""
    rates = ", ".join(f"{kind} {rate:g}" for kind, rate in setting.rates.items())
    hours = sum(found["cpu_s"] for found in results.values()) / 3600
    config = json.loads((setting.model / "config.json").read_text(encoding="utf-8"))
    shape = (
        f"{config['num_hidden_layers']} layers of {config['hidden_size']}, {config['vocab_size']:,} tokens"
    )
    lines = [
        f"# Quality on real tasks\n\n{machine()}, {hours:.1f} CPU hours.\n\n{__doc__}",
        f"The model: {shape}. Learning rates: {rates}.",
        "Mean over the seeds ± half of the range, in percent.\n",
        "| data, metric | arm | seeds | dev | test | published, of much larger models |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for task in TASKS:
        for arm in ARMS:
            runs = [found for job, found in results.items() if (job.task, job.arm) == (task, arm)]
            if runs:
                said = TASKS[task].published if arm == "scratch" else ""
                cells = " | ".join(_spread([run[split] for run in runs]) for split in ("dev", "test"))
                lines.append(f"| {task}, {TASKS[task].metric} | {arm} | {len(runs)} | {cells} | {said} |")
    return "\n".join(lines) + "\n"


def _spread(values: Sequence[float]) -> str:
    return f"{100 * statistics.mean(values):.2f} ± {50 * (max(values) - min(values)):.2f}"


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
    parser.add_argument("--rate", type=float, default=1e-3, help="the greatest learning rate of every task")
    arguments = parser.parse_args()
    setting = Setting(arguments.model, arguments.work, {task.kind: arguments.rate for task in TASKS.values()})
    jobs = jobs_of(arguments.task or list(TASKS), arguments.arm or ARMS, arguments.seeds)
    for task in {job.task for job in jobs}:
        (arguments.work / task.replace(" ", "-")).mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(
        arguments.workers, mp_context=get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        list(pool.map(partial(result_of, setting=setting), jobs))
    known = [job for job in jobs_of(list(TASKS), ARMS, arguments.seeds) if path_of(job, setting).exists()]
    save("quality", page({job: result_of(job, setting) for job in known}, setting))


if __name__ == "__main__":
    main()
