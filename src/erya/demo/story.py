"""The story, told by the same commands a user types; each is shown before it runs."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

from erya.checkpoints.directory import read_model
from erya.config import dump_yaml, load_config
from erya.demo.baseline import tfidf_right
from erya.demo.comparison import Comparison
from erya.demo.settings import DemoSettings
from erya.demo.texts import DemoTexts, Review, load_texts
from erya.errors import ConfigError, EryaError, StorageError
from erya.files import atomic_write
from erya.tasks.predictor import Predictor

SENTENCES = (
    "房间很干净，服务也周到，下次还来。",
    "书页都掉了，客服半天不理人。",
    "内容一般，不过包装很用心。",
)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the story is told.

    Attributes:
        out: directory for everything it makes.
        run: runs one `erya` command and returns its exit status.
        tell: shows a sentence.
    """

    out: Path
    run: Callable[[list[str]], int]
    tell: Callable[[str], None]

    def command(self, *words: str | Path) -> None:
        """Show a command, then run it.

        Raises:
            EryaError: it failed; its own message has been shown.
        """
        arguments = [str(word) for word in words]
        self.tell("$ erya " + shlex.join(arguments))
        status = self.run(arguments)
        if status != 0:
            raise EryaError(f"the demo stopped: this command ended with status {status}", where=arguments[0])


def tell_story(stage: Stage, settings: DemoSettings) -> Comparison:
    """From raw text to predictions; what exists already in `stage.out` is not made again.

    Returns:
        How the bundled model compares; also in `comparison.md`.
    Raises:
        StorageError: `stage.out` holds something else than a demo.
        ConfigError: it holds a demo of other sizes.
        CheckpointError: the model is not there, or none.
        EryaError: a command failed.
    """
    out, model = stage.out, settings.model
    read_model(Path(model))
    _claim(out, settings)
    texts = _prepare(stage, settings)
    stage.tell(
        f"\n2. Fine-tune {model} on {settings.num_labelled:,} labelled reviews, {settings.num_seeds} seeds; "
        "then the same encoder from random weights."
    )
    _finetune(stage, settings, model, "finetuned")
    _finetune(stage, settings, model, "unpretrained", "--random-init")
    stage.tell(
        "\n3. The raw text of all training reviews: clean it, leave out what is like a dev or test review, "
        f"cut it into tokens of {model}, let the model go on with it."
    )
    _adapt(stage, settings)
    _finetune(stage, settings, out / "adapted" / "model", "adapted-finetuned")
    stage.tell("\n4. Compare on the test reviews, which nothing has seen so far.")
    comparison = _compare(out, settings, texts)
    with atomic_write(out / "comparison.md") as stream:
        stream.write(comparison.markdown().encode())
    adapted = out / "adapted-finetuned" / "model"
    stage.command("evaluate", adapted, out / "data" / "test.tsv", "--truncate", "--out", out / "report")
    stage.tell("\n5. Predict.")
    for sentence in SENTENCES:
        stage.command("predict", adapted, sentence)
    return comparison


def _claim(out: Path, settings: DemoSettings) -> None:
    """Write down whose directory this is, so that nothing of another kind or size is built upon."""
    path = out / "settings.yaml"
    if path.exists():
        if not _are(settings, path):
            raise ConfigError(
                "the demo in this directory has other sizes, or is of another version",
                where=str(path),
                hint="choose another --out, or remove the directory",
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(
            "the directory exists and holds no demo", where=str(out), hint="choose another --out"
        )
    _write(path, dump_yaml(settings))


def _are(settings: DemoSettings, path: Path) -> bool:
    """Whether a file holds these settings."""
    try:
        return load_config(DemoSettings, path) == settings
    except ConfigError:
        return False


def _prepare(stage: Stage, settings: DemoSettings) -> DemoTexts:
    """Write raw text, labelled files and the recipe into `out`."""
    out, texts = stage.out, load_texts()
    texts.dev[settings.num_dev :] = []
    texts.test[settings.num_test :] = []
    stage.tell(
        f"1. Real text: {len(texts.train) + len(texts.dev) + len(texts.test):,} different reviews "
        f"({texts.repeated:,} repeated lines and {texts.contradictory} reviews labelled both ways left out). "
        "Dev and test reviews never enter the raw text."
    )
    _write(out / "raw" / "reviews.txt", "\n".join(review.text for review in texts.train) + "\n")
    _write(out / "data" / "train.tsv", _tsv(texts.train[: settings.num_labelled]))
    _write(out / "data" / "dev.tsv", _tsv(texts.dev))
    _write(out / "data" / "test.tsv", _tsv(texts.test))
    _write(out / "recipe.yaml", _recipe(out, settings))
    return texts


def _adapt(stage: Stage, settings: DemoSettings) -> None:
    out = stage.out
    documents, shards = out / "documents", out / "shards"
    if not documents.exists():
        scored = [
            word for name in ("dev", "test") for word in ("--decontaminate", out / "data" / f"{name}.tsv")
        ]
        stage.command("corpus", "clean", out / "raw", "--out", documents, *scored)
    if not shards.exists():
        stage.command("corpus", "tokenize", documents, "--tokenizer", settings.model, "--out", shards)
    stage.command("pretrain", out / "recipe.yaml", "--out", out / "adapted")


def _finetune(stage: Stage, settings: DemoSettings, model: str | Path, name: str, *options: str) -> None:
    out = stage.out
    files = ("--train", out / "data" / "train.tsv", "--dev", out / "data" / "dev.tsv", "--out", out / name)
    overrides = (
        f"train.epochs={settings.epochs}",
        f"max_length={settings.max_length}",
        "evals_per_epoch=1",
    )
    seeds = ("--seeds", str(settings.num_seeds), "--truncate")
    stage.command("finetune", "classify", "--model", model, *files, *seeds, *options, *overrides)


def _compare(out: Path, settings: DemoSettings, texts: DemoTexts) -> Comparison:
    pretrained, adapted, twin = (
        np.stack(
            [_right(out / name / f"seed-{seed}" / "model", texts.test) for seed in range(settings.num_seeds)]
        )
        for name in ("finetuned", "adapted-finetuned", "unpretrained")
    )
    baseline = tfidf_right(texts.train[: settings.num_labelled], texts.dev, texts.test)
    return Comparison(settings.model, pretrained, adapted, twin, baseline[np.newaxis])


def _right(model: Path, reviews: Sequence[Review]) -> NDArray[np.bool_]:
    """Which reviews a classifier has right, shape (T,)."""
    answers = Predictor.open(model).predict([review.text for review in reviews], truncate=True)
    return np.array([answer.label == review.label for answer, review in zip(answers, reviews, strict=True)])


def _recipe(out: Path, settings: DemoSettings) -> str:
    """The recipe of further pre-training, as one would write it by hand; small batches make many steps."""
    recipe = {
        "data": {"shards": str(out / "shards"), "max_length": settings.max_length},
        "init_from": settings.model,
        "model": None,
        "masking": {"prob": 0.3, "unit": "word"},
        "train": {
            "max_tokens": settings.adapt_tokens,
            "batch_tokens": 2048,
            "learning_rate": 1e-3,
            "eval_every_steps": 200,
        },
    }
    return yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True)


def _tsv(reviews: Sequence[Review]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_NONE, quotechar=None)
    writer.writerow(("text", "label"))
    writer.writerows((review.text, review.label) for review in reviews)
    return stream.getvalue()


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text.encode())
