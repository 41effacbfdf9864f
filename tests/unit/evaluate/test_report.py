"""Evaluation and its report: right numbers, one file that fetches nothing, everything escaped."""

import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import numpy as np
import pytest
from tiny_reviews import NEGATIVE, POSITIVE

pytest.importorskip("torch")

from erya.errors import InputError
from erya.evaluate.plots import confusion_picture, curves_picture
from erya.evaluate.report import render_report, training_rows, write_report
from erya.evaluate.run import evaluate
from erya.tasks.predictor import Predictor

COLUMNS = {"text": "text_a", "label": "label"}
NASTY = "很差<script>alert('x')</script>&好" + "好" * 9


class Page(HTMLParser):
    """Collects what a browser would fetch or run, and the words it would show."""

    def __init__(self, html):
        super().__init__()
        self.fetched, self.words, self.tags = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        for name, value in attributes:
            if name in ("src", "href", "xlink:href", "data", "srcset", "action") and not value.startswith(
                "#"
            ):
                self.fetched.append((tag, name, value))

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def predictor(tiny_run):
    return Predictor.open(tiny_run / "model", device="cpu")


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "test.tsv"
    # Whatever the model says of the nasty text, it is once a mistake and stands in the report.
    rows = [f"{POSITIVE}\t{NASTY}", f"{NEGATIVE}\t{NASTY}", f"{POSITIVE}\t房间很好", f"{NEGATIVE}\t很吵鑫"]
    path.write_text("label\ttext_a\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def measured(predictor, data, tiny_run, **options):
    return evaluate(predictor, data, model=tiny_run / "model", columns=COLUMNS, truncate=True, **options)


def test_scores_equal_the_predictions_written(predictor, data, tiny_run, tmp_path):
    done = measured(predictor, data, tiny_run, predictions=tmp_path / "p.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text("utf-8").splitlines()]
    assert [row["line"] for row in rows] == [2, 3, 4, 5]
    right = sum(row["label"] == row["truth"] for row in rows)
    assert done.scores.accuracy == pytest.approx(right / 4) and done.num_examples == 4
    assert len(done.mistakes) == 4 - right
    assert done.encoding.truncated_texts == 2 and done.encoding.unknown["鑫"] == 1
    assert any("truncated" in warning for warning in done.warnings)


def test_only_the_surest_mistakes_are_kept(predictor, tiny_run, tmp_path):
    path = tmp_path / "wrong.tsv"
    swapped = "".join(f"{NEGATIVE}\t很好{'好' * n}\n{POSITIVE}\t很吵{'吵' * n}\n" for n in range(6))
    path.write_text("label\ttext_a\n" + swapped, encoding="utf-8")
    done = evaluate(predictor, path, model=tiny_run, columns=COLUMNS, num_mistakes=3)
    every = evaluate(predictor, path, model=tiny_run, columns=COLUMNS)
    assert done.mistakes == every.mistakes[:3]
    surety = [mistake.severity for mistake in every.mistakes]
    assert surety == sorted(surety, reverse=True) and len(surety) >= 10


def test_the_report_is_one_file_with_everything_in_it(predictor, data, tiny_run, tmp_path):
    write_report(
        tmp_path / "report.html",
        measured(predictor, data, tiny_run),
        training=training_rows(tiny_run / "model"),
    )
    html = (tmp_path / "report.html").read_text("utf-8")
    page = Page(html)
    assert page.fetched == [] and "script" not in page.tags and "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    assert html.count("<svg xmlns") == 4 and "precision" in html and "calibration" in html
    words = " ".join(page.words)
    for part in (POSITIVE, NEGATIVE, "accuracy", "macro F1", "weighted average", "鑫×1", "loss", NASTY):
        assert part in words
    assert "<script>alert" not in html


def test_without_a_run_the_report_says_so(predictor, data, tiny_run):
    html = render_report(measured(predictor, data, tiny_run), training=[])
    assert html.count("<svg xmlns") == 3 and "does not lie in the run" in html


def test_too_long_counts_the_whole_file_before_predicting(predictor, data, tiny_run, tmp_path):
    with pytest.raises(InputError, match="2 of 4 texts"):
        evaluate(predictor, data, model=tiny_run, columns=COLUMNS, predictions=tmp_path / "p.jsonl")
    assert not (tmp_path / "p.jsonl").exists()


def test_unknown_label_in_the_file(predictor, tiny_run, tmp_path):
    path = tmp_path / "test.tsv"
    path.write_text("label\ttext_a\n中评\t很好\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"unknown label '中评'(.|\n)*line 2"):
        measured(predictor, path, tiny_run)
    assert not list(tmp_path.glob("*.partial"))


def test_hanzi_stay_text_in_pictures():
    picture = confusion_picture(np.array([[3, 1], [0, 2]]), ["好评", "$差评$"])
    root = ElementTree.fromstring(picture)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "好评" in words and "3" in words and "＄差评＄" in words
    assert "metadata" not in picture and '<path id="DejaVu' not in picture


def test_many_classes_still_draw():
    labels = [f"类别{number}" for number in range(40)]
    assert "类别39" in confusion_picture(np.eye(40, dtype=np.int64), labels)


def test_curves_need_losses():
    assert curves_picture([{"step": 1, "tokens": 3}]) is None
    rows = [{"step": n, "loss": 1 / (n + 1)} for n in range(4000)]
    rows += [{"step": 100, "eval_loss": 0.5, "eval_accuracy": 0.9, "eval_odd": 7.0}]
    picture = curves_picture(rows)
    assert "held out" in picture and "accuracy" in picture and "odd" not in picture
    assert len(picture) < 400_000


def test_a_half_written_last_line_is_no_error(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert training_rows(tmp_path / "model") == [{"step": 1, "loss": 2.0}]
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "lo\n{"step": 2, "loss": 2.0}\n')
    with pytest.raises(InputError, match="line 1"):
        training_rows(tmp_path / "model")
