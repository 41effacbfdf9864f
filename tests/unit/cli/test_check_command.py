"""`erya check` as a user types it: what it prints, what it writes, how it exits."""

import json

import pytest

pytest.importorskip("torch")

from erya.cli import main


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs `erya check`; gives (exit status, stdout, stderr)."""
    monkeypatch.setattr(main, "VERBS", ("check", "finetune"))

    def run(*arguments):
        status = main.run(["check", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, err

    return run


def test_sound_files_with_a_model(check, reviews, tiny_base, tmp_path):
    status, out, err = check(
        *("classify", "--train", reviews.train, "--dev", reviews.dev, "--test", reviews.dev),
        *("--text", "text_a", "--model", tiny_base, "--out", tmp_path / "checks"),
        *("train.learning_rate=5e-3", "train.device=cpu"),
    )
    assert status == 0
    assert "training: 120 examples" in out and "差评 60+20+20" in out and "can be learnt" in out
    assert "reading" in err and "check.html" in err
    written = json.loads((tmp_path / "checks" / "check.json").read_text(encoding="utf-8"))
    assert written["ok"] and len(written["overfit"]) == 40 and written["lengths"]["dev"]["limit"] == 24
    page = (tmp_path / "checks" / "check.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4 and "prefers-color-scheme: dark" in page
    assert "http" not in page.replace("http://www.w3.org", "") and "差评" in page


def test_errors_are_listed_and_the_status_says_so(check, reviews, tmp_path):
    dev = tmp_path / "dev.tsv"
    dev.write_text("label\ttext_a\n好平\t书\n<i>\t好\n", encoding="utf-8")
    arguments = ("classify", "--train", reviews.train, "--dev", dev, "--text", "text_a")
    status, out, _ = check(*arguments, "--out", tmp_path / "checks")
    assert status == 2 and "dev line 2" in out and "did you mean '好评'" in out
    page = (tmp_path / "checks" / "check.html").read_text(encoding="utf-8")
    assert "&lt;i&gt;" in page and "<i>" not in page
    status, out, _ = check(*arguments, "--json")
    found = json.loads(out)
    assert status == 2 and found["ok"] is False
    (unknown,) = [each for each in found["findings"] if each["name"] == "unknown label"]
    assert [place["line"] for place in unknown["places"]] == [2, 3] and unknown["level"] == "error"


def test_a_recipe_gives_files_and_options(check, reviews, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"model: ''\ntrain_file: {reviews.train}\ndev_file: {reviews.dev}\ntext: text_a\n")
    status, out, _ = check("classify", "--recipe", recipe)
    assert status == 0 and "dev: 40 examples" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["classify"], "--train is missing"),
        (["clasify", "--train", "x.tsv"], "did you mean 'classify'"),
        (["classify", "--train", "x.tsv", "txt=a"], "did you mean 'text'"),
        (["answer", "--train", "x.json", "--label", "a"], "answer has no option --label"),
    ],
)
def test_mistakes_of_the_command(check, arguments, part):
    status, _, err = check(*arguments)
    assert status == 2 and part in err


def test_a_missing_file_is_a_finding(check, tmp_path):
    status, out, _ = check("classify", "--train", tmp_path / "none.tsv")
    assert status == 2 and "no such file" in out


def test_key_value_beats_an_option_as_in_finetune(check, reviews):
    files = ("--train", reviews.train, "--dev", reviews.dev)
    status, out, err = check("classify", *files, "--text", "nowhere", "text=text_a")
    assert status == 0, out + err
