"""What the tests of `erya corpus` under bad conditions share: small raw files, and what came of them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from erya.corpus import clean as cleaning
from erya.data.documents import read_documents

Command = Callable[..., tuple[int, str]]
HANZI = "我们国家今天气很好北京上海经济发展图书馆开放时间孩子学校老师电影足球比赛城市生活工作研究历史问题技术"


def texts(count: int, *, seed: int = 1) -> list[str]:
    """Documents of 61 characters, none like another, in order."""
    rng = random.Random(seed)
    halves = ["".join(rng.choices(HANZI, k=30)) for _ in range(2 * count)]
    return sorted(f"{first}，{second}" for first, second in zip(halves[::2], halves[1::2], strict=True))


def write_lines(path: Path, lines: list[str], *, end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def left(tmp_path: Path) -> list[str]:
    """What the commands left in the directory."""
    return sorted(path.name for path in tmp_path.iterdir() if path.name.lstrip(".").startswith("out"))


def read(directory: str) -> list[str]:
    """The documents, in the order of their texts."""
    return sorted(document.text for document in read_documents(Path(directory)))


def report(directory: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(directory) / "report.json").read_bytes())
    return found


def stop_at(patch: pytest.MonkeyPatch, step: str, module: ModuleType = cleaning) -> None:
    """Ctrl-C comes when this step would begin."""

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    patch.setattr(module, step, stop)
