"""The arrows of the house: a room may import what stands left of it, never the reverse.

The table below is the whole rule; `docs/architecture.md` explains it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "erya"

# Each room and the rooms directly left of it; what stands left of those may be imported too.
LEFT_OF: dict[str, tuple[str, ...]] = {
    "errors": (),
    "config": ("errors",),
    "files": ("errors",),
    "runtime": ("errors",),
    "bundled": ("errors",),
    "pages": ("files", "runtime"),
    "text": ("config", "files", "runtime"),
    "tokenizer": ("text", "bundled"),
    "data": ("tokenizer",),
    "corpus": ("data", "pages"),
    "metrics": ("config", "files", "runtime"),
    "nn": ("data",),
    "models": ("nn",),
    "checkpoints": ("models",),
    "train": ("data",),
    "pretrain": ("corpus", "checkpoints", "metrics", "train"),
    "tasks": ("corpus", "checkpoints", "metrics", "train"),
    "evaluate": ("pretrain", "tasks"),
    "api": ("evaluate",),
    "demo": ("evaluate",),
    "cli": ("api", "demo"),
}
# The package itself resolves its public names on first use and imports nothing else.
PACKAGE = ("api",)

TORCH_FREE_ROOMS = ("errors", "config", "files", "bundled", "text", "tokenizer", "data", "corpus", "metrics")
TORCH_FREE_FILES = ("tasks/*/task.py",)
HEAVY = frozenset(
    {"torch", "safetensors", "transformers", "sklearn", "matplotlib", "tensorboard", "jinja2", "snownlp"}
)


def allowed(room: str) -> set[str]:
    """The rooms left of `room`, however far."""
    direct = LEFT_OF[room]
    return set(direct).union(*(allowed(left) for left in direct)) if direct else set()


def room_of(path: Path) -> str:
    """The room a source file stands in; "" for the package's own `__init__`."""
    first = path.relative_to(SOURCE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py").replace("__main__", "cli")


def imported_modules(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, also inside functions and by name at run time."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            # `from erya import x` imports the room x.
            yield from (
                (node.lineno, f"erya.{name.name}" if node.module == "erya" else node.module)
                for name in node.names
            )
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("require", "import_module", "__import__"):
                yield node.lineno, str(node.args[0].value)


def imported_rooms(path: Path) -> Iterator[tuple[int, str]]:
    """(line, room) of every import of Erya in a file."""
    for line, module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "erya" and len(parts) > 1 and not parts[1].startswith("__"):
            yield line, parts[1]


SOURCES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_left(path: Path) -> None:
    room = room_of(path)
    may = {room, *(allowed(room) if room else PACKAGE)}
    wrong = [f"line {line}: {other}" for line, other in imported_rooms(path) if other not in may]
    assert not wrong, f"{path.relative_to(ROOT)} imports from the right of {room or 'erya'}: {wrong}"


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in SOURCES} - {""} <= set(LEFT_OF)


def test_the_table_has_no_circle() -> None:
    for room in LEFT_OF:
        assert room not in allowed(room)


def test_torch_free_rooms_never_import_torch() -> None:
    files = [path for path in SOURCES if room_of(path) in TORCH_FREE_ROOMS]
    files += [path for pattern in TORCH_FREE_FILES for path in SOURCE.glob(pattern)]
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for path in files
        for line, module in imported_modules(path)
        if module.split(".")[0] in HEAVY
    ]
    assert not wrong
