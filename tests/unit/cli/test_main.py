"""What all commands have in common: help, exit status, streams, and what happens without the extras."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from erya.cli.console import print_table
from erya.cli.main import build, run
from erya.runtime import EXTRA_OF

ROOT = Path(__file__).parents[3]
# What needs torch, with arguments good enough to come that far.
TRAINING = (
    ["pretrain", str(ROOT / "recipes" / "pretrain" / "wwm.yaml"), "data.shards=shards", "--out", "out"],
    ["finetune", "classify", "--model", "m", "--train", "d.tsv", "--dev", "d.tsv", "--out", "out"],
    ["evaluate", "m", "d.tsv"],
    ["predict", "m", "你好"],
    ["demo"],
)


def commands() -> Iterator[list[str]]:
    """Every command and group of commands, as it is typed."""

    def walk(command: object, path: list[str]) -> Iterator[list[str]]:
        yield path
        for name, inner in getattr(command, "commands", {}).items():
            yield from walk(inner, [*path, name])

    yield from walk(typer.main.get_command(build()), [])


def erya(*arguments: str, code: str = "", cwd: Path | None = None, **options) -> subprocess.CompletedProcess:
    """One command in a process of its own, after `code`."""
    code = f"import sys\n{code}\nfrom erya.cli.main import main\nmain()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, timeout=120, **{"capture_output": True, **options})


@pytest.mark.parametrize("command", list(commands()), ids=" ".join)
def test_help_has_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0
    captured = capsys.readouterr()
    assert "Example" in captured.out and captured.err == ""


@pytest.mark.parametrize(
    ("package", "arguments"),
    [*(("torch", arguments) for arguments in TRAINING), ("safetensors", ["predict", "m", "你好"])],
)
def test_without_an_extra_a_command_names_it(package: str, arguments: list[str], tmp_path: Path) -> None:
    done = erya(*arguments, code=f"sys.modules[{package!r}] = None", cwd=tmp_path)
    err = done.stderr.decode()
    assert (done.returncode, done.stdout) == (2, b""), err
    assert f"{package!r}, which is not installed" in err and "pip install 'erya[train]'" in err
    assert "Traceback" not in err


def test_the_table_of_extras_is_that_of_the_project() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    names = {"sklearn": "scikit-learn"}
    for package, extra in EXTRA_OF.items():
        name = names.get(package, package.replace("_", "-"))
        assert any(line.startswith(name) for line in extras[extra]), package


def test_results_are_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "gbk"}
    done = erya("text", "words", env=environment, input="好 😀\n".encode())
    assert (done.returncode, done.stdout.decode()) == (0, "好 😀\n")


def test_half_an_emoji_is_written_as_json_escapes_it() -> None:
    code = 'from erya.cli import text\ntext.read_lines = lambda file: iter(["a\\ud83d"])'
    done = erya("text", "words", "--json", code=code)
    assert done.returncode == 0 and json.loads(done.stdout)["text"] == "a\ud83d"


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("我们的国家\n" * 20_000, encoding="utf-8")
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as nobody:
        done = erya(
            "text", "clean", str(tmp_path / "long.txt"), capture_output=False, stdout=nobody,
            stderr=subprocess.PIPE,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(("code", "status"), [(None, 0), (3, 3), ("no more", 1)])
def test_an_exit_keeps_its_status(
    code: object, status: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("erya.cli.text.read_lines", lambda file: sys.exit(code))
    assert run(["text", "words"]) == status
    assert capsys.readouterr().err.strip() == (code if status == 1 else "")


@pytest.mark.parametrize(
    "arguments", [["text", "words"], ["text", "clean"], ["tokenize", "--tokenizer", "{tokenizer}"]]
)
def test_a_closed_stdin_is_told(arguments: list[str], tmp_path: Path) -> None:
    pieces = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
    (tmp_path / "vocab.txt").write_text(pieces, encoding="utf-8")
    arguments = [argument.format(tokenizer=tmp_path) for argument in arguments]
    done = erya(*arguments, preexec_fn=lambda: os.close(0))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"stdin is closed")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_under_the_results_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = erya(
            "text", "clean", input=b"a\n", capture_output=False, stdout=full, stderr=subprocess.PIPE
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.decode() == "cannot read or write: No space left on device\n"


def test_what_is_no_file_name_is_the_users_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["text", "words", "我" * 200]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err and "File name too long" in captured.err


def test_a_bug_is_told_as_one(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("erya.cli.text.read_lines", lambda file: 1 / 0)
    assert run(["text", "words"]) == 1
    assert "This is a bug in Erya" in capsys.readouterr().err


def test_a_table_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("out[1]", [{"class": "[/a]", "[b]": 0.5}], as_json=False)
    out = capsys.readouterr().out
    assert all(shown in out for shown in ("out[1]", "[/a]", "[b]", "0.5"))


def test_many_numbers_stand_below_each_other(capsys):
    row = {f"score {number}": number / 7 for number in range(8)}
    print_table("best", [row], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert any("score 7" in line and "1" in line for line in lines) and all(len(line) <= 80 for line in lines)
    assert sum("score" in line for line in lines) == 8
