"""`erya text` and `erya corpus` as somebody types them, mistakes included."""

import io
import json
import sys

import pytest
import typer

from erya.cli import corpus, text
from erya.cli.main import run
from erya.data.documents import read_documents, read_manifest


def erya(capsys, monkeypatch, *arguments, stdin=b""):
    """Exit status, stdout and stderr of one command."""
    buffered = io.BufferedReader(io.BytesIO(stdin))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(buffered, encoding="utf-8"))
    capsys.readouterr()
    status = run([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


@pytest.fixture
def command(capsys, monkeypatch):
    return lambda *arguments, **options: erya(capsys, monkeypatch, *arguments, **options)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("".join(f"第{n}行：我们的国家。\n" for n in range(60)), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("arguments", "stdin", "expected"),
    [
        (["clean"], "　Ｈｉ&nbsp;世界\u200b！\n\n", "Hi 世界！\n\n"),
        (["clean", "--width", "keep"], "Ｈｉ\n", "Ｈｉ\n"),
        (["clean", "--no-references"], "&amp;\n", "&amp;\n"),
        (["convert"], "頭髮\n", "头发\n"),
        (["convert", "--to", "s2twp", "-"], "鼠标\n", "滑鼠\n"),
        (["words"], "我来到北京清华大学\n", "我 来到 北京 清华大学\n"),
        (["words", "--tags"], "我来到 北京\n", "我/r 来到/v 北京/ns\n"),
        (["words", "--remove-stopwords"], "我的北京。\n", "北京\n"),
        (["sentences"], "他说：“好。”我走了……\n", "他说：“好。”\n我走了……\n"),
        (["sentences", "--semicolon", "--no-ellipsis"], "一；二……三\n", "一；\n二……三\n"),
    ],
)
def test_text(command, arguments, stdin, expected):
    assert command("text", *arguments, stdin=stdin.encode())[:2] == (0, expected)


def test_text_as_json(command):
    line = "　Ａ 内存😀。\n".encode()
    cleaned = json.loads(command("text", "clean", "--json", stdin=line)[1])
    assert cleaned["text"] == "A 内存😀。" and cleaned["spans"][0] == [1, 2]
    converted = json.loads(command("text", "convert", "--to", "s2twp", "--json", stdin="内存\n".encode())[1])
    assert converted == {"text": "記憶體", "spans": [[0, 2]] * 3}
    words = json.loads(command("text", "words", "--json", stdin="😀北京\n".encode())[1])["words"]
    assert words[1] == {"word": "北京", "span": [1, 3], "tag": "ns"}
    found = json.loads(command("text", "sentences", "--json", stdin="😀。好\n".encode())[1])["sentences"]
    assert found == [{"text": "😀。", "span": [0, 2]}, {"text": "好", "span": [2, 3]}]


def test_text_reads_other_encodings(command, tmp_path):
    path = tmp_path / "gbk.txt"
    path.write_bytes("我们的国家\n大家都好\n".encode("gb18030"))
    assert command("text", "clean", path)[:2] == (0, "我们的国家\n大家都好\n")
    status, out, err = command("text", "clean", stdin="我们的国家\n".encode() * 9 + b"\xff\n")
    assert status == 0 and out.endswith("\ufffd\n") and "1 lines held bytes" in err


def test_a_byte_order_mark_is_no_text(command, tmp_path):
    path = tmp_path / "from_windows.txt"
    path.write_bytes("北京\r\n上海\r\n".encode("utf-8-sig"))
    assert command("text", "words", path)[:2] == (0, "北京\n上海\n")
    assert command("text", "words", stdin=path.read_bytes())[:2] == (0, "北京\n上海\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["text", "clean", "missing.txt"], "no such file"),
        (["text", "clean", "binary"], "not a text file"),
        (["text", "words", "binary"], "not UTF-8"),
        (["text", "words", "zeros"], "a binary file"),
        (["text", "clean", "empty"], "the file is empty"),
        (["text", "sentences", "empty"], "the file is empty"),
        (["text", "convert", "--to", "s2tv"], "did you mean"),
        (["text", "words", "--user-words", "missing.txt"], "no such file"),
        (["text", "words", "--stopwords", "binary"], "UTF-8"),
        (["text", "clean", "--widht", "all"], "No such option"),
        (["corpus", "clean", "missing.txt", "--out", "out"], "no such file"),
        (["corpus", "clean", "binary", "--out", "out"], "not a text file"),
        (["corpus", "clean", "raw.txt"], "--out"),
        (["corpus", "clean", "raw.txt", "--out", "out", "--convert", "t2x"], "did you mean"),
        (["corpus", "clean", "raw.txt", "--out", "out", "--heldout", "1"], "--heldout"),
        (["corpus", "tokenize", "out", "--tokenizer", "out", "--out", "shards"], "where: out"),
        (["corpus", "build", "raw.txt", "--tokenizer", "nowhere", "--out", "out"], "nowhere"),
    ],
)
def test_mistakes_exit_with_2_and_say_what_to_do(command, tmp_path, raw, monkeypatch, arguments, said):
    (tmp_path / "binary").write_bytes(bytes(range(255, -1, -1)) * 4)
    (tmp_path / "zeros").write_bytes(b"a\0\n")
    (tmp_path / "empty").touch()
    monkeypatch.chdir(tmp_path)
    status, out, err = command(*arguments)
    assert (status, out) == (2, "")
    assert said in err and "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["binary", "empty", "raw.txt", "zeros"]


def test_corpus_clean(command, raw, tmp_path):
    out = tmp_path / "documents"
    status, printed, err = command("corpus", "clean", raw, "--out", out, "--heldout", "0.3", "--json")
    assert status == 0
    report = json.loads(printed)
    assert report["kept"] == 60 and report == read_manifest(out).report
    assert len(list(read_documents(out, split="heldout"))) == report["heldout"] > 0
    status, _, err = command("corpus", "clean", raw, "--out", out)
    assert status == 2 and "exists" in err
    status, _, err = command("corpus", "clean", raw, "--out", raw.parent, "--replace")
    assert status == 2 and "is not replaced" in err and raw.exists()
    status, printed, err = command("corpus", "clean", raw, "--out", out, "--replace", "--heldout", "0")
    assert status == 0 and "documents kept" in printed and "no document was held out" in err


def test_corpus_build_is_clean_and_tokenize(command, raw, tmp_path):
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *"第行：我们的国家。0123456789",
        *(f"##{n}" for n in range(10)),
    ]
    (tokenizer / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    out = tmp_path / "corpus"
    status, printed, _ = command(
        "corpus", "build", raw, "--tokenizer", tokenizer, "--out", out, "--set", "heldout=0.2"
    )
    assert status == 0 and "tokens to train on" in printed
    again = command(
        "corpus", "tokenize", out / "documents", "--tokenizer", tokenizer, "--out", tmp_path / "s", "--json"
    )
    assert again[0] == 0
    assert json.loads(again[1]) == json.loads((out / "shards" / "manifest.json").read_text(encoding="utf-8"))

    for taken in ("documents", "shards"):
        (tmp_path / taken / taken).mkdir(parents=True)
        (tmp_path / taken / taken / "mine").touch()
        status, _, err = command("corpus", "build", raw, "--tokenizer", tokenizer, "--out", tmp_path / taken)
        assert status == 2 and f"{taken}/{taken}" in err and "not empty" in err
        assert [path.name for path in (tmp_path / taken).iterdir()] == [taken], "nothing was cleaned yet"


def test_rooms_register_on_any_app():
    app = typer.Typer()
    text.register(app)
    corpus.register(app)
    assert {group.name for group in app.registered_groups} == {"text", "corpus"}
