"""Cross-validation: a run for each part that is held out, and what they say together."""

import json
from collections import Counter
from pathlib import Path

import pytest

from erya.config import validate
from erya.errors import ConfigError, StorageError
from erya.tasks.finetune import finetune
from erya.tasks.folds.run import FoldsSummary, finetune_folds
from erya.tasks.predictor import Predictor
from erya.tasks.seeds import finetune_seeds
from erya.tasks.table import KINDS
from erya.train.protocols import Callback


class PowerCut(Callback):
    def on_step(self, report) -> None:  # type: ignore[no-untyped-def]
        if report.step == 3:
            raise RuntimeError("power cut")


def run(recipe, directory: Path, callbacks=lambda index: (), tell=lambda text: None) -> FoldsSummary:
    return finetune_folds(recipe, directory, num_folds=3, callbacks=callbacks, tell=tell)


@pytest.fixture(scope="module")
def recipe(classify_recipe):
    return classify_recipe(dev_file="there is none", train={"epochs": 3, "seed": 5})


@pytest.fixture(scope="module")
def folds(recipe, tmp_path_factory) -> tuple[Path, FoldsSummary]:
    directory = tmp_path_factory.mktemp("folds") / "run"
    return directory, run(recipe, directory)


def test_every_example_is_answered_by_a_model_that_had_not_seen_it(folds, reviews) -> None:
    directory, summary = folds
    rows = [json.loads(line) for line in (directory / "out_of_fold.jsonl").read_text().splitlines()]
    written = reviews.train.read_text(encoding="utf-8").splitlines()[1:]
    assert [row["line"] for row in rows] == list(range(2, 122))
    assert [f"{row['truth']}\t{row['text']}" for row in rows] == written
    assert all(sum(row["scores"].values()) == pytest.approx(1) for row in rows)
    right = {fold: [row["label"] == row["truth"] for row in rows if row["fold"] == fold] for fold in range(3)}
    for fold, hits in right.items():
        assert summary.scores[fold]["eval_accuracy"] == pytest.approx(sum(hits) / len(hits))
    hits = [hit for each in right.values() for hit in each]
    assert summary.together["eval_accuracy"] == pytest.approx(sum(hits) / 120)
    of_text = Counter((row["text"], row["fold"]) for row in rows)
    assert len(of_text) == len({row["text"] for row in rows})


def test_mean_and_deviation_are_over_folds(folds) -> None:
    directory, summary = folds
    scores = [each["eval_accuracy"] for each in summary.scores]
    assert summary.mean["eval_accuracy"] == pytest.approx(sum(scores) / 3)
    assert summary.deviation.keys() == summary.mean.keys()
    written = json.loads((directory / "folds.json").read_text())
    assert written["mean"] == summary.mean and len(written["scores"]) == 3


def test_the_model_is_an_ensemble_of_the_folds(folds) -> None:
    directory, summary = folds
    assert summary.model == directory / "model"
    of_all = Predictor.open(summary.model).predict(["房间好"])[0].scores["好评"]
    of_each = [
        Predictor.open(directory / f"fold-{k}/model").predict(["房间好"])[0].scores["好评"] for k in range(3)
    ]
    assert of_all == pytest.approx(sum(of_each) / 3, abs=1e-6)


def test_folds_that_were_cut_off_end_as_if_they_had_not_been(recipe, folds, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="power cut"):
        run(recipe, tmp_path / "cut", callbacks=lambda index: [PowerCut()] if index == 1 else [])
    assert (tmp_path / "cut/fold-0/model").exists() and not (tmp_path / "cut/model").exists()
    done = run(recipe, tmp_path / "cut")
    directory, whole = folds
    assert done.scores == whole.scores
    for name in ("out_of_fold.jsonl", "folds.json"):
        assert (tmp_path / "cut" / name).read_text() == (directory / name).read_text()


def test_a_part_of_its_own_and_a_run_of_its_own_are_refused(
    classify_recipe, tmp_path: Path, tiny_run
) -> None:
    with pytest.raises(ConfigError, match="fold is given"):
        run(classify_recipe(fold={"index": 0, "of": 3}), tmp_path)
    with pytest.raises(StorageError, match="a run of its own"):
        run(classify_recipe(), tiny_run)
    (tmp_path / "folds.json").touch()
    with pytest.raises(StorageError, match="a cross-validation"):
        finetune(classify_recipe(), tmp_path, tell=lambda text: None)
    with pytest.raises(StorageError, match="a cross-validation"):
        finetune_seeds(classify_recipe(), tmp_path, num_seeds=2, callbacks=lambda s: [], tell=lambda t: None)
    (tmp_path / "seeds.json").touch()
    with pytest.raises(StorageError, match="several seeds"):
        run(classify_recipe(), tmp_path)


@pytest.fixture
def of_kind(tiny_base):
    """Builds a recipe of another kind on a file of rows; two steps are enough here."""

    def build(kind: str, path: Path, rows: list[dict]):  # type: ignore[no-untyped-def]
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        train = {"epochs": 1, "threads": 1, "device": "cpu"}
        values = {"model": str(tiny_base), "train_file": str(path), "dev_file": str(path), "train": train}
        return validate(KINDS[kind].recipe, values, where="test")  # type: ignore[index]

    return build


def test_a_taggers_folds_answer_with_entities(of_kind, tmp_path: Path) -> None:
    texts = [
        f"{'很好非常'[n % 4]}房间{'大小服务'[n % 4]}{'的了'[n % 2]}{'吵书看再来'[n % 5]}" for n in range(20)
    ]
    rows = [{"text": text, "entities": [[1, 2, "处"]]} for text in texts]
    summary = run(of_kind("tag", tmp_path / "t.jsonl", rows), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/out_of_fold.jsonl").read_text().splitlines()]
    assert [line["text"] for line in lines] == texts
    assert {"start": 1, "end": 2, "type": "处"}.items() <= lines[0]["truth"][0].items()
    assert "eval_f1" in summary.together and Predictor.open(summary.model).predict(["房间"])[0].text == "房间"


def test_a_readers_folds_keep_a_context_together(of_kind, tmp_path: Path) -> None:
    rows = [
        {"question": f"{'好差很'[n % 3]}看", "context": f"房间{'大小服务干净'[n // 3]}的",
         "answers": [{"start": 0, "text": "房"}] if n % 3 else []}
        for n in range(18)
    ]  # fmt: skip
    summary = run(of_kind("answer", tmp_path / "a.jsonl", rows), tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/out_of_fold.jsonl").read_text().splitlines()]
    assert len(lines) == 18 and len({(line["context"], line["fold"]) for line in lines}) == 6
    assert {len(line["truth"]) for line in lines} == {0, 1}
    (answer,) = Predictor.open(summary.model).predict(["好看"], ["房间大的"])
    assert answer.context == "房间大的"


def test_models_that_cannot_be_averaged_still_have_their_scores(of_kind, tmp_path: Path) -> None:
    rows = [
        {"text": f"{a}房{b}", "pair": f"{b}书{a}", "score": float(a == "好")}
        for a in "好差很"
        for b in "大小服务"
    ]
    said: list[str] = []
    summary = run(of_kind("embed", tmp_path / "e.jsonl", rows), tmp_path / "run", tell=said.append)
    assert summary.model is None and len(summary.scores) == 3 and not summary.interrupted
    assert "note: no ensemble: models for embed cannot be averaged" in said
