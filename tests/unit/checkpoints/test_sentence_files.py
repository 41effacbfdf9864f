"""The files of sentence-transformers: written, read, and refused where Erya has no such parts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from erya.checkpoints.sentence_transformers import read_sentence_files, write_sentence_files
from erya.errors import CheckpointError

SETTINGS = {"pooling": "cls", "normalise": True, "query_prefix": "问：", "passage_prefix": "文："}


@pytest.mark.parametrize(
    "changes", [{}, {"pooling": "mean", "normalise": False}, {"query_prefix": "", "passage_prefix": ""}]
)
def test_what_is_written_is_read(tmp_path: Path, changes: dict[str, object]) -> None:
    settings = SETTINGS | changes
    write_sentence_files(tmp_path, settings, max_length=77, size=8)
    assert read_sentence_files(tmp_path) == settings | {"max_length": 77}
    pooling = json.loads((tmp_path / "1_Pooling" / "config.json").read_text())
    assert pooling["word_embedding_dimension"] == 8
    assert [name for name, value in pooling.items() if value is True] == [
        {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens"}[str(settings["pooling"])]
    ]


def test_a_pooling_the_library_lacks_is_not_written(tmp_path: Path) -> None:
    write_sentence_files(tmp_path, SETTINGS | {"pooling": "first_last_mean"}, max_length=9, size=8)
    assert not list(tmp_path.iterdir()) and read_sentence_files(tmp_path) is None


def test_newer_files_name_the_pooling(tmp_path: Path) -> None:
    write_sentence_files(tmp_path, SETTINGS, max_length=9, size=8)
    config = tmp_path / "1_Pooling" / "config.json"
    config.write_text(json.dumps({"embedding_dimension": 8, "pooling_mode": "mean"}))
    found = read_sentence_files(tmp_path)
    assert found is not None and found["pooling"] == "mean"
    config.write_text(json.dumps({"embedding_dimension": 8, "pooling_mode": ["cls", "max"]}))
    with pytest.raises(CheckpointError, match="no such pooling"):
        read_sentence_files(tmp_path)


def test_other_parts_are_named(tmp_path: Path) -> None:
    write_sentence_files(tmp_path, SETTINGS, max_length=9, size=8)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.Dense"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(CheckpointError, match="Transformer, Pooling, Dense"):
        read_sentence_files(tmp_path)
    (tmp_path / "modules.json").write_text("[1")
    with pytest.raises(CheckpointError, match="not a list of parts"):
        read_sentence_files(tmp_path)
