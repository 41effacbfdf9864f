"""Examples and predictions of every task made by hand, without a network, and evaluations of them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from erya.data.annotations.squad import GoldAnswer
from erya.evaluate.adapters.table import adapter_for
from erya.evaluate.cost import Cost
from erya.evaluate.evaluation import Evaluation
from erya.evaluate.ledger import Ledger
from erya.evaluate.reading import DataFile
from erya.tasks.answer.reading import Example as Question
from erya.tasks.answer.recipe import AnswerSettings
from erya.tasks.answer.task import Answer, AnswerTask
from erya.tasks.answer.task import Prediction as Reading
from erya.tasks.classify.example import Example, Prediction
from erya.tasks.classify.multi import MultiLabelPrediction, MultiLabelTask
from erya.tasks.classify.sets import LabelSetsTask, SetsPrediction
from erya.tasks.classify.task import ClassifyTask
from erya.tasks.embed.examples import Example as EmbedExample
from erya.tasks.embed.recipe import EmbedSettings
from erya.tasks.embed.task import EmbedTask
from erya.tasks.embed.task import Prediction as Vector
from erya.tasks.match.examples import Example as Pair
from erya.tasks.match.recipe import MatchSettings
from erya.tasks.match.task import MatchTask
from erya.tasks.match.task import Prediction as Match
from erya.tasks.tag.reading import Entity
from erya.tasks.tag.reading import Example as Tagged
from erya.tasks.tag.recipe import TagSettings
from erya.tasks.tag.task import Prediction as Tags
from erya.tasks.tag.task import TagTask
from erya.tasks.texts import EncodingReport

NASTY = "很差<script>alert('x')</script>&好"
LABELS = ("好", "<b>差</b>", "中")


@dataclass(frozen=True)
class Made:
    """A task with examples and answers to them."""

    task: Any
    examples: list[Any]
    answers: list[Any]

    def ledger(self, **options: Any) -> Ledger:
        adapter = adapter_for(self.task)
        ledger = Ledger(adapter, num_worst=10)
        for example, answer in zip(self.examples, self.answers, strict=True):
            ledger.add(adapter.outcome(example, answer), **options)
        return ledger

    def scores(self) -> Any:
        tally = self.task.tally()
        tally.add(self.answers, self.examples)
        return tally.scores()


class FileOf:
    """A kind that gives examples, whatever the file."""

    def __init__(self, examples: Iterable[Any]) -> None:
        self.name, self._examples = "classify", list(examples)

    def examples(self, path: Path, *, columns: Any, labelled: bool) -> Iterable[Any]:
        return self._examples


def classified(number: int, seed: int = 1, labels: tuple[str, ...] = LABELS) -> Made:
    rng = np.random.default_rng(seed)
    examples, answers = [], []
    for line in range(2, number + 2):
        shares = rng.dirichlet(np.ones(len(labels)))
        truth = labels[rng.integers(len(labels))] if rng.random() < 0.5 else labels[int(shares.argmax())]
        text = NASTY + "好" * int(rng.integers(0, 60))
        scores = dict(zip(labels, shares.tolist(), strict=True))
        examples.append(Example(text, None, truth, f"f, line {line}", line))
        answers.append(Prediction(text, labels[int(shares.argmax())], scores))
    return Made(ClassifyTask(labels), examples, answers)


def multi_labelled(number: int, seed: int = 2) -> Made:
    rng = np.random.default_rng(seed)
    task = MultiLabelTask(LABELS, separator="/~/")
    examples, answers = [], []
    for line in range(2, number + 2):
        scores = rng.random(3)
        true = [label for label, share in zip(LABELS, scores, strict=True) if rng.random() < share]
        given = tuple(label for label, share in zip(LABELS, scores, strict=True) if share >= 0.5)
        examples.append(Example(NASTY, None, "/~/".join(true), f"f, line {line}", line))
        answers.append(MultiLabelPrediction(NASTY, given, dict(zip(LABELS, scores.tolist(), strict=True))))
    return Made(task, examples, answers)


def in_sets(number: int, seed: int = 3) -> Made:
    rng = random.Random(seed)
    task = LabelSetsTask({"polarity": ("好", "差"), "topic": ("书", "房", "<i>")})
    examples, answers = [], []
    for line in range(2, number + 2):
        truth = {name: rng.choice(labels) for name, labels in task.sets.items()}
        said = {
            name: (rng.choice(labels), {label: 1 / len(labels) for label in labels})
            for name, labels in task.sets.items()
        }
        examples.append(Example(NASTY, None, None, f"f, line {line}", line, truth))
        answers.append(SetsPrediction(NASTY, said))
    return Made(task, examples, answers)


def tagged(number: int, seed: int = 4) -> Made:
    rng = random.Random(seed)
    types = ("PER", "<LOC>")
    task = TagTask(types, TagSettings(head="span_pairs"))

    def entities(text: str) -> tuple[Entity, ...]:
        found = []
        for start in range(0, len(text) - 3, 4):
            if rng.random() < 0.5:
                end = start + rng.randint(1, 3)
                found.append(Entity(start, end, rng.choice(types), text[start:end], rng.random()))
        return tuple(found)

    examples, answers = [], []
    for line in range(2, number + 2):
        text = NASTY + "王小明在北京" * rng.randint(0, 60)
        truth = entities(text)
        kept = tuple(one for one in truth if rng.random() < 0.7)
        examples.append(Tagged(text, truth, f"f, line {line}", line))
        answers.append(Tags(text, tuple(sorted({*kept, *entities(text)[:2]}, key=lambda e: e.start))))
    return Made(task, examples, answers)


def read(number: int, seed: int = 5) -> Made:
    rng = random.Random(seed)
    task = AnswerTask(AnswerSettings(can_abstain=True))
    examples, answers = [], []
    for line in range(2, number + 2):
        context = NASTY + "北京是中国的首都。" * rng.randint(1, 40)
        gold = GoldAnswer(len(NASTY), len(NASTY) + 2, "北京")
        said = Answer(len(NASTY), len(NASTY) + rng.randint(1, 3), "", rng.random())
        said = Answer(said.start, said.end, context[said.start : said.end], said.score)
        examples.append(
            Question("哪里？<b>", context, (gold,) if line % 3 else (), str(line), f"f, line {line}", line)
        )
        given = (said,) if rng.random() < 0.8 else ()
        answers.append(
            Reading("哪里？<b>", context, given, 1 - said.score, str(line), () if given else (said,))
        )
    return Made(task, examples, answers)


def matched(number: int, seed: int = 6) -> Made:
    rng = np.random.default_rng(seed)
    task = MatchTask(("0", "1"), MatchSettings())
    examples, answers = [], []
    for line in range(2, number + 2):
        score = float(rng.random())
        truth = "1" if rng.random() < score else "0"
        examples.append(Pair(NASTY, "乙", truth, f"f, line {line}", line))
        scores = {"0": 1 - score, "1": score}
        answers.append(Match(NASTY, "乙", score, "1" if score > 0.5 else "0", scores))
    return Made(task, examples, answers)


def inferred(number: int, seed: int = 10) -> Made:
    """Pairs with one of three labels."""
    rng = np.random.default_rng(seed)
    task = MatchTask(LABELS, MatchSettings())
    examples, answers = [], []
    for line in range(2, number + 2):
        shares = rng.dirichlet(np.ones(3)).tolist()
        examples.append(Pair(NASTY, "乙", str(rng.choice(LABELS, p=shares)), f"f, line {line}", line))
        scores = dict(zip(LABELS, shares, strict=True))
        answers.append(Match(NASTY, "乙", shares[-1], max(LABELS, key=scores.__getitem__), scores))
    return Made(task, examples, answers)


def rated(number: int, seed: int = 7) -> Made:
    rng = np.random.default_rng(seed)
    task = MatchTask(None, MatchSettings(objective="regress", low=0.0, high=5.0))
    examples, answers = [], []
    for line in range(2, number + 2):
        truth = float(rng.integers(0, 6))
        examples.append(Pair(NASTY, "乙", f"{truth:g}", f"f, line {line}", line))
        answers.append(Match(NASTY, "乙", float(truth + rng.normal())))
    return Made(task, examples, answers)


def embedded(number: int, seed: int = 8) -> Made:
    rng = np.random.default_rng(seed)
    task = EmbedTask(EmbedSettings())
    examples, answers = [], []
    for line in range(2, number + 2):
        truth = float(rng.integers(0, 6))
        vector, other = np.zeros(2, np.float32), np.zeros((1, 2), np.float32)
        examples.append(EmbedExample(NASTY, "乙", (), truth, f"f, line {line}", line))
        score = float(np.clip(truth / 5 + rng.normal() / 4, -1, 1))
        answers.append(Vector(NASTY, vector, "乙", score, None, other))
    return Made(task, examples, answers)


def searched(number: int, seed: int = 9) -> Made:
    """Pairs without a score: each text looks for its own among all."""
    rng = np.random.default_rng(seed)
    examples, answers = [], []
    for line in range(2, number + 2):
        vector, other = rng.normal(size=4), rng.normal(size=(1, 4))
        examples.append(EmbedExample(f"{NASTY}{line}", f"乙{line}", (), None, f"f, line {line}", line))
        near = (other + vector).astype(np.float32)
        answers.append(Vector(NASTY, vector.astype(np.float32), f"乙{line}", 0.5, None, near))
    return Made(EmbedTask(EmbedSettings()), examples, answers)


def reranked(number: int, seed: int = 11, *, skill: float = 1.0) -> Made:
    """Queries with four candidates each, of which one or two are relevant; the first query has none."""
    rng = np.random.default_rng(seed)
    examples, answers = [], []
    for line in range(2, number + 2):
        truths = [0, 0, 0, 0] if line == 2 else rng.permutation([1, int(rng.integers(0, 2)), 0, 0]).tolist()
        for place, truth in enumerate(truths):
            query, candidate = f"{NASTY}{line}", f"丙{line}-{place}"
            examples.append(Pair(query, candidate, str(truth), f"f, line {line}", line, is_candidate=True))
            # What is drawn does not depend on the skill, so that the queries of two models are the same.
            score = float(1 / (1 + np.exp(-skill * truth - rng.normal())))
            scores = {"0": 1 - score, "1": score}
            answers.append(Match(query, candidate, score, "1" if score > 0.5 else "0", scores))
    return Made(MatchTask(("0", "1"), MatchSettings()), examples, answers)


MAKERS = {
    "classify": classified,
    "multi-label": multi_labelled,
    "sets": in_sets,
    "tag": tagged,
    "answer": read,
    "match": matched,
    "inference": inferred,
    "regress": rated,
    "embed": embedded,
}


def evaluation_of(made: Made, path: Path, **options: Any) -> Evaluation:
    """An evaluation of made answers; `path` is named as the data and the model."""
    file = DataFile(path, FileOf(made.examples), {"text": "text_a"})  # type: ignore[arg-type]
    return Evaluation(
        model=path.parent / "model",
        kind="made",
        file=file,
        data_sha256="0" * 64,
        when="2026-01-01T00:00:00+00:00",
        version="0",
        scores=made.scores(),
        ledger=made.ledger(**options),
        encoding=EncodingReport(texts=len(made.examples), tokens=100),
        cost=Cost(1.0, 10.0, 100.0, 300.0, None, 1000, "cpu", 2),
        max_length=64,
        provenance={"seed": 7, "note": NASTY},
    )
