"""`erya predict` with options that name columns where there are none."""

import pytest

pytest.importorskip("torch")

from erya.cli import main


@pytest.mark.parametrize(
    ("source", "option", "said"),
    [
        ("很好", "--text", "--text names a column, and there are none in a text"),
        ("texts.txt", "--text", "--text names a column, and there are none in lines of text"),
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
    (tmp_path / "texts.txt").write_text("很好\n", encoding="utf-8")
    status = main.run(["predict", str(tiny_run / "model"), source, option, "text_a"])
    stdout, stderr = capsys.readouterr()
    assert status == 2 and stdout == "" and said in stderr and "Traceback" not in stderr
