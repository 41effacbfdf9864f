"""`erya vocab extend` as somebody types it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erya.cli.main import run
from erya.tokenizer.wordpiece import Tokenizer

LINES = [f"第{n}位患者感染新冠肺炎，住在武汉金银潭醫院。" for n in range(300)]
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    "[unused1]",
    "[unused2]",
    *"第位患者感染新冠肺炎住在武汉，。",
    *"0123456789",
]
PIECES += ["##" + digit for digit in "0123456789"]


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    directory = tmp_path / "tokenizer"
    directory.mkdir()
    (directory / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    return directory


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def report_of(directory: Path) -> dict:
    return json.loads((directory / "extension.json").read_text(encoding="utf-8"))


def test_a_list_of_words(tokenizer: Path, text: Path, tmp_path: Path, capsys) -> None:
    words = tmp_path / "words.txt"
    words.write_text("新冠肺炎\n院\n新冠肺炎\n第\n患者\n", encoding="utf-8")
    out = tmp_path / "out"
    assert (
        run(["vocab", "extend", str(tokenizer), str(words), "--out", str(out), "--measure", str(text)]) == 0
    )
    report = report_of(out)
    assert report["new_tokens"] == ["新冠肺炎", "院", "患者"]
    assert (report["known_words"], report["said_twice"], report["took_unused_places"]) == (["第"], 1, 2)
    assert (report["new_pieces"], report["new_added_words"], report["start_as_unknown"]) == (1, 2, 1)
    assert report["measured_documents"] == len(LINES)
    before, after = report["measured"]["tokens"]
    assert before - after == 4 * len(LINES)  # three for the illness, one for the patient
    unknown = report["measured"]["unknown_characters"]
    assert unknown[0] * 4 == pytest.approx(unknown[1] * 5)  # 院 of 金银潭醫院
    assert Tokenizer.open(out).vocab[5:7] == ("新冠肺炎", "院")
    shown = capsys.readouterr().out
    assert "what it brings" in shown and "said twice" in shown


def test_a_corpus_says_what_it_needs(tokenizer: Path, text: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    command = ["vocab", "extend", str(tokenizer), "--from", str(text), "--out", str(out), "--words", "2"]
    assert run([*command, "--append", "--pad-to", "64", "--json"]) == 0
    report = report_of(out)
    assert json.loads(capsys.readouterr().out) == report
    assert set(report["new_tokens"][:5]) == set("金银潭醫院")
    assert len(report["new_tokens"]) == 7
    assert report["took_unused_places"] == 0
    assert report["vocabulary"] == 64 == Tokenizer.open(out).vocab_size
    assert report["measured"]["unknown_characters"][1] == 0
    assert report["measured"]["tokens_per_character"][1] < report["measured"]["tokens_per_character"][0]
    assert min(report["measured"]["megabytes_per_s"]) > 0


def test_lines_that_cannot_be_measured_on_are_told(tokenizer: Path, tmp_path: Path, capsys) -> None:
    words, text = tmp_path / "words.txt", tmp_path / "text.jsonl"
    words.write_text("院\n", encoding="utf-8")
    text.write_text('{"text": "住院"}\n{broken\n', encoding="utf-8")
    command = ["vocab", "extend", str(tokenizer), str(words), "--out", str(tmp_path / "out")]
    assert run([*command, "--measure", str(text)]) == 0
    assert "line 2: not a JSON object" in capsys.readouterr().err


def test_a_model_directory_stays_one(tiny_base: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    import erya

    words = tmp_path / "words.txt"
    words.write_text("鑫\n好书\n", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in tiny_base.iterdir()}
    out = tmp_path / "out"
    assert run(["vocab", "extend", str(tiny_base), str(words), "--out", str(out)]) == 0
    assert {path.name: path.read_bytes() for path in tiny_base.iterdir()} == before
    report = report_of(out)
    assert report["embedding_rows"] == report["embedding_rows_before"] + 2
    assert "measured" not in report
    old, new = erya.open_encoder(tiny_base), erya.open_encoder(out)
    ids = torch.tensor([[2, 7, 8, 9, 3]])
    with torch.no_grad():
        assert torch.equal(old.padded(ids, torch.ones_like(ids))[0], new.padded(ids, torch.ones_like(ids))[0])
    noted = json.loads((out / "erya.json").read_text(encoding="utf-8"))["provenance"]
    assert noted["vocabulary_extended"][0]["tokens"] == 2


def test_what_it_wrote_may_be_replaced(tokenizer: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("院\n", encoding="utf-8")
    command = ["vocab", "extend", str(tokenizer), str(words), "--out", str(tmp_path / "out")]
    assert [run(command), run(command), run([*command, "--replace"])] == [0, 2, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{nowhere}", "{words}"], "no such directory"),
        (["{empty}", "{words}"], "no tokenizer here"),
        (["{tokenizer}"], "nothing says what to add"),
        (["{tokenizer}", "{words}", "--words", "5"], "--words takes words from a corpus"),
        (["{tokenizer}", "--from", "{text}", "--characters", "0"], "nothing is taken from the corpus"),
        (
            ["{tokenizer}", "--from", "{text}", "--min-frequency", "9999"],
            "no unknown character that it holds 9999",
        ),
        (["{tokenizer}", "{nowhere}"], "no such file"),
        (["{tokenizer}", "{broken}"], "line 2"),
        (["{tokenizer}", "{blank}"], "holds no word"),
        (["{tokenizer}", "{known}"], "each of the 2 words is one token already"),
        (["{tokenizer}", "{words}", "--measure", "{nowhere}"], "no such file"),
    ],
)
def test_mistakes_are_told_and_leave_nothing(
    tokenizer: Path, text: Path, tmp_path: Path, capsys, arguments: list[str], message: str
) -> None:
    contents = {"words": "院\n", "broken": "院\n新冠 肺炎\n", "blank": "\n\n", "known": "第\n感\n"}
    paths = {
        "tokenizer": tokenizer,
        "text": text,
        "nowhere": tmp_path / "nowhere",
        "empty": tmp_path / "empty",
    }
    (tmp_path / "empty").mkdir()
    for name, content in contents.items():
        paths[name] = tmp_path / f"{name}.txt"
        paths[name].write_text(content, encoding="utf-8")
    out = tmp_path / "out"
    assert run(["vocab", "extend", *(a.format(**paths) for a in arguments), "--out", str(out)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert "Traceback" not in captured.err
    assert not out.exists()


def test_the_model_itself_is_no_place_to_write(tokenizer: Path, text: Path, capsys) -> None:
    command = ["vocab", "extend", str(tokenizer), "--from", str(text), "--out", str(tokenizer), "--replace"]
    assert run(command) == 2
    assert "OUT is the model itself" in capsys.readouterr().err
    assert (tokenizer / "vocab.txt").is_file()


def test_help_teaches(capsys) -> None:
    assert run(["vocab", "extend", "--help"]) == 0
    shown = capsys.readouterr().out
    for taught in ("[UNK]", "[unused1]", "--measure", "mean of the rows", "Examples"):
        assert taught in shown
