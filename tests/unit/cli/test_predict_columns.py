"""`erya predict` with options that name columns where there are none."""

import json

import pytest

pytest.importorskip("torch")

from erya.cli import main


@pytest.mark.parametrize(
    ("source", "option", "said"),
    [
        ("很好", "--text", "--text names a column, and there are none in a text"),
        ("texts.log", "--text", "--text names a column, and there are none in lines of text"),
        ("texts.txt", "--text", "there is no column 'text_a' (wanted for text); the first line has: 很好"),
        ("-", "--text", "--text names a column, and there are none in lines of stdin"),
        ("很好", "--pair", "--pair names a column"),
        ("texts.tsv", "--text", "no such file"),
    ],
)
def test_columns_of_what_has_none_are_refused(
    monkeypatch, capsys, tiny_run, tmp_path, source, option, said
) -> None:
    monkeypatch.setattr(main, "VERBS", ("predict",))
    monkeypatch.chdir(tmp_path)
    for name in ("texts.txt", "texts.log"):
        (tmp_path / name).write_text("很好\n", encoding="utf-8")
    status = main.run(["predict", str(tiny_run / "model"), source, option, "text_a"])
    stdout, stderr = capsys.readouterr()
    assert status == 2 and stdout == "" and said in stderr and "Traceback" not in stderr


def test_a_txt_with_named_columns_is_a_table_as_in_training(monkeypatch, capsys, tiny_run, tmp_path) -> None:
    monkeypatch.setattr(main, "VERBS", ("predict",))
    path = tmp_path / "reviews.txt"
    path.write_text("1\t很好\n0\t很吵\n", encoding="utf-8")
    assert main.run(["predict", str(tiny_run / "model"), str(path), "--text", "2"]) == 0
    assert [json.loads(line)["text"] for line in capsys.readouterr().out.splitlines()] == ["很好", "很吵"]
    assert main.run(["predict", str(tiny_run / "model"), str(path), "--text", "2", "--tab"]) == 2
    assert "none in lines of text" in capsys.readouterr().err
