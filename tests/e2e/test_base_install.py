"""The base install in an empty environment: no torch, and text, vocabularies, tokens and corpora work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXTRA_PACKAGES = {"torch", "safetensors", "tensorboard", "matplotlib", "jinja2", "snownlp", "scikit-learn"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment into which `pip install .` was said."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", str(ROOT)]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture
def erya(environment: Path, tmp_path: Path):
    """Runs one command there, in an empty directory; gives its exit status, stdout and stderr."""

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        command = [str(environment / "erya"), *arguments]
        done = subprocess.run(
            command, cwd=tmp_path, input=stdin, capture_output=True, encoding="utf-8", timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_no_extra_comes_along(environment: Path) -> None:
    listed = subprocess.run(
        [str(environment / "pip"), "list", "--format", "json"], capture_output=True, text=True, check=True
    )
    installed = {package["name"].lower() for package in json.loads(listed.stdout)}
    assert {"erya", "numpy", "tokenizers"} <= installed
    assert not installed & EXTRA_PACKAGES


@pytest.mark.parametrize(
    ("verb", "line", "expected"),
    [
        ("clean", "Ｈｉ　世界\u200b！\n", "Hi 世界！\n"),
        ("convert", "頭髮\n", "头发\n"),
        ("words", "我来到北京清华大学\n", "我 来到 北京 清华大学\n"),
        ("sentences", "他说：“好。”我走了。\n", "他说：“好。”\n我走了。\n"),
    ],
)
def test_text(erya, verb: str, line: str, expected: str) -> None:
    assert erya("text", verb, stdin=line) == (0, expected, "")


def test_from_raw_text_to_shards(erya, tmp_path: Path) -> None:
    lines = [f"第{number}天，北京的天气很好。\n" for number in range(400)]
    (tmp_path / "raw.txt").write_text("".join(lines), encoding="utf-8")
    steps = (
        ["corpus", "clean", "raw.txt", "--out", "documents", "--workers", "2"],
        ["vocab", "train", "documents", "--size", "300", "--out", "tokenizer"],
        ["corpus", "tokenize", "documents", "--tokenizer", "tokenizer", "--out", "shards"],
        ["corpus", "build", "raw.txt", "--tokenizer", "tokenizer", "--out", "corpus"],
    )
    for step in steps:
        status, _, err = erya(*step)
        assert status == 0, err
    status, out, err = erya("tokenize", "--tokenizer", "tokenizer", stdin="北京很好\n")
    assert (status, err) == (0, "") and json.loads(out)["tokens"] == ["[CLS]", *"北京很好", "[SEP]"]
    for kind in ("documents", "tokenizer", "shards"):
        status, out, _ = erya("info", kind, "--json")
        described = json.loads(out)
        assert status == 0 and described["kind"] == kind


@pytest.mark.parametrize(
    "arguments",
    [
        ["pretrain", str(ROOT / "recipes" / "pretrain" / "tiny.yaml"), "data.shards=s", "--out", "o"],
        ["finetune", "classify", "--model", "m", "--train", "d.tsv", "--dev", "d.tsv", "--out", "o"],
        ["evaluate", "m", "d.tsv"],
        ["predict", "m", "你好"],
        ["demo"],
    ],
)
def test_what_needs_torch_says_what_to_install(erya, arguments: list[str]) -> None:
    status, out, err = erya(*arguments)
    assert (status, out) == (2, "")
    assert "pip install 'erya[train]'" in err and "Traceback" not in err


def test_what_needs_torch_from_python(environment: Path) -> None:
    code = "import erya\ntry:\n erya.load('m')\nexcept Exception as error: print(type(error).__name__)"
    done = subprocess.run([str(environment / "python"), "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "MissingExtraError", done.stderr
