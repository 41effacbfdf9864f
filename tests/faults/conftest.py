"""`erya corpus` as the tests of bad input and of faults run it."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_commands import Command, texts, write_lines

from erya.cli.main import run
from erya.corpus import clean as cleaning
from erya.corpus.page import page
from erya.corpus.read import blocks


@pytest.fixture
def corpus(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`erya corpus ...` in an empty directory, in this process: exit status, and what it said on stderr."""
    monkeypatch.chdir(tmp_path)
    for module in (cleaning, page):  # it takes longest of all, and has tests of its own
        monkeypatch.setattr(module, "write_page", lambda *_, **__: None)

    def command(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        status = run(["corpus", *map(str, arguments)])
        said = capsys.readouterr().err
        assert "Traceback" not in said
        return status, said

    return command


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "raw.txt", texts(300))


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`raw` is a dozen blocks and a few volumes."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 5000)
    monkeypatch.setattr(cleaning, "_SMALLEST_VOLUME", 5000)
