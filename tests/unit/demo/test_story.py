"""The whole story in miniature: the commands of `erya demo` on a handful of hand-made reviews."""

import json
import random
from pathlib import Path

import pytest
from tiny_reviews import NEGATIVE, POSITIVE, review

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from erya.cli.main import run as erya
from erya.demo import story
from erya.demo.texts import DemoTexts, Review

SIZES = ("num_labelled=40", "num_seeds=2", "epochs=1", "max_length=24")


def texts() -> DemoTexts:
    rng = random.Random(1)
    made = [Review(review(rng, label) * 3, label) for label in (POSITIVE, NEGATIVE) * 60]
    rng.shuffle(made)
    return DemoTexts(train=made[40:], dev=made[:20], test=made[20:40], repeated=3, contradictory=1)


def test_the_story(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(story, "load_texts", texts)
    out = tmp_path / "demo"
    command = ["demo", "--out", str(out), "--json", f"model={tiny_base}", *SIZES]
    assert erya([*command, "adapt_tokens=4000"]) == 0, capsys.readouterr().err
    said = capsys.readouterr()
    *rows, verdict = [json.loads(line) for line in said.out.splitlines()]
    assert [row["model"] for row in rows] == [
        "TF-IDF + logistic regression",
        "the encoder from random weights",
        str(tiny_base),
        f"{tiny_base}, adapted to the raw text",
    ]
    assert verdict["verdict"].count("standard error") == 4
    assert all(line in (out / "comparison.md").read_text() for line in verdict["verdict"].splitlines())
    assert "$ erya finetune classify" in said.err and '"label"' in said.err
    assert "<svg" in (out / "report" / "report.html").read_text(encoding="utf-8")
    raw = (out / "raw" / "reviews.txt").read_text(encoding="utf-8").splitlines()
    assert set(raw) == {labelled.text for labelled in texts().train}

    assert erya([*command, "adapt_tokens=4000"]) == 0, "given again, it goes on where it stopped"
    assert "going on from step" in capsys.readouterr().err
    assert erya([*command, "adapt_tokens=5000"]) == 2
    assert "other sizes" in capsys.readouterr().err
    (out / "settings.yaml").write_text("vocab_size: 8000\n", encoding="utf-8")
    assert erya([*command, "adapt_tokens=4000"]) == 2
    assert "another version" in capsys.readouterr().err


def test_a_directory_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "recipe.yaml").write_text("mine", encoding="utf-8")
    assert erya(["demo", "--out", str(tmp_path)]) == 2
    assert "holds no demo" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


def test_a_model_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert erya(["demo", "--out", str(tmp_path / "demo"), "model=erya-none"]) == 2
    assert "erya-none" in capsys.readouterr().err
    assert not (tmp_path / "demo").exists()
