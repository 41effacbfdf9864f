"""A tokenizer of a few dozen pieces, written out by hand."""

from __future__ import annotations

import json
from pathlib import Path

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = [
    *SPECIAL,
    *"中国人民北京，。!",
    *"abe12",
    *("##" + char for char in "abe12"),
    "ab",
    "##be",
    "A",
    "hello",
]


def write_tokenizer(directory: Path, pieces: list[str] = PIECES, **config: object) -> Path:
    """A directory with `vocab.txt` and `tokenizer_config.json`."""
    directory.mkdir(exist_ok=True)
    (directory / "vocab.txt").write_text("".join(piece + "\n" for piece in pieces), encoding="utf-8")
    (directory / "tokenizer_config.json").write_text(json.dumps(config))
    return directory
