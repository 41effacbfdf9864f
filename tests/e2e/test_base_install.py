"""Installs in an empty environment: the base has no torch; the extra `corpus` makes corpora."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXTRA_PACKAGES = {"torch", "safetensors", "tensorboard", "snownlp", "scikit-learn", "ray"}
CORPUS_PACKAGES = {"rensa", "duckdb", "matplotlib", "jinja2"}


def install(folder: Path, what: str) -> Path:
    """The programs of a new environment into which `pip install WHAT` was said."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=120)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", what]
    done = subprocess.run(pip, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return folder / "bin"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base alone."""
    return install(tmp_path_factory.mktemp("environment"), str(ROOT))


@pytest.fixture(scope="module")
def corpus_environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base with the extra `corpus`."""
    return install(tmp_path_factory.mktemp("corpus-environment"), f"{ROOT}[corpus]")


@pytest.fixture
def erya(environment: Path, tmp_path: Path):
    """Runs one command of the base in an empty directory; gives its exit status, stdout and stderr."""
    return runner(environment, tmp_path)


def runner(programs: Path, folder: Path):
    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        command = [str(programs / "erya"), *arguments]
        done = subprocess.run(
            command, cwd=folder, input=stdin, capture_output=True, encoding="utf-8", timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    return run


def packages(environment: Path) -> set[str]:
    listed = subprocess.run(
        [str(environment / "pip"), "list", "--format", "json"], capture_output=True, text=True, check=True
    )
    return {package["name"].lower() for package in json.loads(listed.stdout)}


def test_no_extra_comes_along(environment: Path) -> None:
    installed = packages(environment)
    assert {"erya", "numpy", "tokenizers"} <= installed
    assert not installed & (EXTRA_PACKAGES | CORPUS_PACKAGES)


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


def test_vocabularies_and_tokens(erya, tmp_path: Path) -> None:
    write_raw(tmp_path)
    status, _, err = erya("vocab", "train", "raw.txt", "--size", "300", "--out", "tokenizer")
    assert status == 0, err
    status, out, err = erya("tokenize", "--tokenizer", "tokenizer", stdin="北京很好\n")
    assert (status, err) == (0, "") and json.loads(out)["tokens"] == ["[CLS]", *"北京很好", "[SEP]"]


@pytest.mark.parametrize("verb", ["clean", "build"])
def test_corpora_say_what_to_install(erya, tmp_path: Path, verb: str) -> None:
    write_raw(tmp_path)
    assert erya("vocab", "train", "raw.txt", "--size", "300", "--out", "tokenizer")[0] == 0
    tokenizer = ["--tokenizer", "tokenizer"] if verb == "build" else []
    status, out, err = erya("corpus", verb, "raw.txt", "--out", "made", *tokenizer)
    assert (status, out) == (2, "") and "pip install 'erya[corpus]'" in err and "Traceback" not in err
    assert not (tmp_path / "made.unfinished").exists()


def write_raw(folder: Path) -> None:
    lines = [f"第{number}天，北京的天气很好。\n" for number in range(400)]
    (folder / "raw.txt").write_text("".join(lines), encoding="utf-8")


def test_from_raw_text_to_shards(corpus_environment: Path, tmp_path: Path) -> None:
    assert not packages(corpus_environment) & EXTRA_PACKAGES
    erya = runner(corpus_environment, tmp_path)
    write_raw(tmp_path)
    steps = (
        ["corpus", "clean", "raw.txt", "--out", "documents", "--workers", "2"],
        ["vocab", "train", "documents", "--size", "300", "--out", "tokenizer"],
        ["corpus", "tokenize", "documents", "--tokenizer", "tokenizer", "--out", "shards"],
        ["corpus", "build", "raw.txt", "--tokenizer", "tokenizer", "--out", "corpus"],
    )
    for step in steps:
        status, _, err = erya(*step)
        assert status == 0, err
    for kind in ("documents", "tokenizer", "shards"):
        status, out, _ = erya("info", kind, "--json")
        described = json.loads(out)
        assert status == 0 and described["kind"] == kind


@pytest.mark.parametrize(
    "arguments",
    [
        ["pretrain", str(ROOT / "recipes" / "pretrain" / "wwm.yaml"), "data.shards=s", "--out", "o"],
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


def test_the_bundled_model_comes_along(erya) -> None:
    status, said, _ = erya("tokenize", "--tokenizer", "erya-mini", stdin="尔雅\n")
    assert status == 0 and json.loads(said)["tokens"] == ["[CLS]", "尔", "雅", "[SEP]"]
    status, said, error = erya("models", "--json")
    assert status == 0, error
    row = json.loads(said.splitlines()[0])
    assert row["name"] == "erya-mini" and Path(row["card"]).is_file()
