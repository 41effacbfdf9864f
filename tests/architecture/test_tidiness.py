"""What a reader meets: short files, short functions, no drawer for leftovers, no private paths."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50  # without its docstring: explaining must not cost
FORBIDDEN_NAMES = {"utils", "util", "helpers", "misc", "common"}
# Built, cached or downloaded: not text of ours.
SKIPPED = {"demo", "runs", "dist", "build", "__pycache__", "node_modules"}
# Where a machine keeps its users' files. A path of that kind means something on one machine only.
MACHINE_PATH = re.compile(r"(?<![\w.~])/(?:work|home|root|Users|mnt|scratch)/\w")


def repository_files() -> Iterator[Path]:
    """Every file a reader of the repository sees."""
    for top in sorted(ROOT.iterdir()):
        if top.name in SKIPPED or (top.name.startswith(".") and top.name != ".ci"):
            continue
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            inner = path.relative_to(ROOT).parts
            if path.is_file() and not any(part in SKIPPED - {"demo"} or "egg-info" in part for part in inner):
                yield path


PYTHON = [path for path in repository_files() if path.suffix == ".py"]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """(name, lines without the docstring) of every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) is not None else None
            yield node.name, num_lines(node) - (num_lines(docstring) if docstring else 0)


def num_lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_files_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{lines} lines: split the file"
    long = [f"{name}: {length} lines" for name, length in functions(path) if length > MAX_FUNCTION_LINES]
    assert not long


def test_no_module_is_a_drawer_for_leftovers() -> None:
    assert not [name_of(path) for path in PYTHON if path.stem in FORBIDDEN_NAMES]


def test_every_module_says_what_it_is_for() -> None:
    source = [path for path in PYTHON if path.is_relative_to(ROOT / "src")]
    assert not [name_of(p) for p in source if not ast.get_docstring(ast.parse(p.read_text(encoding="utf-8")))]


def test_no_text_names_a_machines_paths() -> None:
    found = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if MACHINE_PATH.search(line):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:80]}")
    assert not found
