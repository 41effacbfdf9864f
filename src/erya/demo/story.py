"""The story, told by the same commands a user types; each is shown before it runs."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from erya.config import dump_yaml, load_config
from erya.demo.baseline import tfidf_accuracy
from erya.demo.comparison import Comparison
from erya.demo.settings import DemoSettings
from erya.demo.texts import DemoTexts, Review, load_texts
from erya.errors import ConfigError, EryaError, StorageError
from erya.evaluate.run import evaluate
from erya.files import atomic_write
from erya.tasks.predictor import Predictor

SENTENCES = (
    "房间很干净，服务也周到，下次还来。",
    "书页都掉了，客服半天不理人。",
    "内容一般，不过包装很用心。",
)
_MAX_LENGTH = 128


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
        How the pre-trained model compares; also in `comparison.md`.
    Raises:
        StorageError: `stage.out` holds something else than a demo.
        ConfigError: it holds a demo of other sizes.
        EryaError: a command failed.
    """
    out = stage.out
    _claim(out, settings)
    texts = _prepare(stage, settings)
    _build_corpus(stage, settings)
    stage.tell("\n3. Pre-train: guess hidden words in raw text.")
    stage.command("pretrain", out / "recipe.yaml", "--out", out / "pretrained")
    stage.tell(
        f"\n4. Fine-tune on {settings.num_labelled:,} labelled reviews with {settings.num_seeds} seeds; then "
        "the same model from random weights."
    )
    _finetune(stage, settings, "finetuned")
    _finetune(stage, settings, "unpretrained", "--random-init")
    stage.tell("\n5. Compare on the test reviews, which nothing has seen so far.")
    comparison = _compare(out, settings, texts)
    with atomic_write(out / "comparison.md") as stream:
        stream.write(comparison.markdown().encode())
    stage.command(
        "evaluate",
        out / "finetuned" / "model",
        out / "data" / "test.tsv",
        "--truncate",
        "--out",
        out / "report",
    )
    stage.tell("\n6. Predict.")
    for sentence in SENTENCES:
        stage.command("predict", out / "finetuned" / "model", sentence)
    return comparison


def _claim(out: Path, settings: DemoSettings) -> None:
    """Write down whose directory this is, so that nothing of another kind or size is built upon."""
    path = out / "settings.yaml"
    if path.exists():
        if load_config(DemoSettings, path) != settings:
            raise ConfigError(
                "the demo in this directory has other sizes",
                where=str(path),
                hint="choose another --out, or remove the directory",
            )
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise StorageError(
            "the directory exists and holds no demo", where=str(out), hint="choose another --out"
        )
    _write(path, dump_yaml(settings))


def _prepare(stage: Stage, settings: DemoSettings) -> DemoTexts:
    """Write raw text, labelled files and the recipe into `out`."""
    out, texts = stage.out, load_texts()
    texts.dev[settings.num_scored :] = []
    texts.test[settings.num_scored :] = []
    stage.tell(
        f"1. Real text: {len(texts.train) + len(texts.dev) + len(texts.test):,} different reviews "
        f"({texts.repeated:,} repeated lines and {texts.contradictory} reviews labelled both ways left out) "
        f"and {len(texts.news):,} lines of newspaper. Dev and test reviews never enter the raw text."
    )
    _write(out / "raw" / "reviews.txt", "\n".join(review.text for review in texts.train) + "\n")
    _write(out / "raw" / "news.txt", "\n".join(texts.news) + "\n")
    _write(out / "data" / "train.tsv", _tsv(texts.train[: settings.num_labelled]))
    _write(out / "data" / "dev.tsv", _tsv(texts.dev))
    _write(out / "data" / "test.tsv", _tsv(texts.test))
    _write(out / "recipe.yaml", _recipe(out, settings))
    return texts


def _build_corpus(stage: Stage, settings: DemoSettings) -> None:
    out = stage.out
    stage.tell("\n2. Clean the text, train a vocabulary, cut the text into shards of tokens.")
    if not (out / "documents").exists():
        stage.command("corpus", "clean", out / "raw", "--out", out / "documents")
    if not (out / "tokenizer").exists():
        size = str(settings.vocab_size)
        stage.command("vocab", "train", out / "documents", "--size", size, "--out", out / "tokenizer")
    if not (out / "shards").exists():
        tokenizer, shards = out / "tokenizer", out / "shards"
        stage.command("corpus", "tokenize", out / "documents", "--tokenizer", tokenizer, "--out", shards)


def _finetune(stage: Stage, settings: DemoSettings, name: str, *options: str) -> None:
    out = stage.out
    files = ("--train", out / "data" / "train.tsv", "--dev", out / "data" / "dev.tsv", "--out", out / name)
    overrides = (
        f"train.epochs={settings.epochs}",
        "train.learning_rate=3e-4",
        "batch_size=16",
        "evals_per_epoch=1",
    )
    seeds = ("--seeds", str(settings.num_seeds), "--truncate")
    stage.command(
        "finetune", "classify", "--model", out / "pretrained" / "model", *files, *seeds, *options, *overrides
    )


def _compare(out: Path, settings: DemoSettings, texts: DemoTexts) -> Comparison:
    labelled = texts.train[: settings.num_labelled]
    accuracies = {
        name: [_accuracy(out, out / name / f"seed-{seed}" / "model") for seed in range(settings.num_seeds)]
        for name in ("finetuned", "unpretrained")
    }
    return Comparison(
        pretrained=accuracies["finetuned"],
        twin=accuracies["unpretrained"],
        baseline=tfidf_accuracy(labelled, texts.dev, texts.test),
        num_test=len(texts.test),
    )


def _accuracy(out: Path, model: Path) -> float:
    columns = {"text": "text", "label": "label"}
    data = out / "data" / "test.tsv"
    done = evaluate(Predictor.open(model), data, model=model, columns=columns, truncate=True)
    return float(done.scores.numbers()["accuracy"])


def _recipe(out: Path, settings: DemoSettings) -> str:
    """The pre-training recipe, as one would write it by hand.

    Its choices are those for minutes, not days: small batches for many steps, two tokens of five predicted
    for more to learn from each, single characters (whose neighbours in the word give them away) before whole
    words, and no dropout, since hardly anything is seen twice.
    """
    model = {
        "hidden_size": settings.hidden_size,
        "num_layers": settings.num_layers,
        "num_heads": settings.hidden_size // 64,
        "intermediate_size": 4 * settings.hidden_size,
        "max_positions": _MAX_LENGTH,
        "dropout_prob": 0.0,
        "attention_dropout_prob": 0.0,
    }
    train = {
        "steps": settings.pretrain_steps,
        "batch_tokens": 1024,
        "learning_rate": 1e-3,
        "eval_every_steps": max(settings.pretrain_steps // 4, 1),
        "save_every_steps": max(settings.pretrain_steps // 2, 1),
    }
    recipe = {
        "data": {"shards": str(out / "shards"), "max_length": _MAX_LENGTH},
        "model": model,
        "masking": {"prob": 0.4, "unit": "token"},
        "train": train,
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
