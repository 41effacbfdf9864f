"""Vocabulary files: one piece a line, its id the number of lines before it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from erya.errors import CheckpointError, InputError
from erya.files import require_file
from erya.tokenizer.characters import may_run
from erya.tokenizer.spec import TokenizerSpec


def read_vocabulary(path: Path) -> tuple[str, ...]:
    """Read a `vocab.txt`.

    Raises:
        InputError: the file is missing, empty or not UTF-8 (with the line).
        CheckpointError: a piece stands on two lines: one of the two ids would never be used.
    """
    data = require_file(path).read_bytes()
    lines = data.removesuffix(b"\n").split(b"\n") if data.strip() else []
    if not lines:
        raise InputError("the vocabulary is empty", where=str(path))
    pieces: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        try:
            piece = line.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            raise InputError("not UTF-8 text", where=f"{path}, line {number}") from None
        if piece in pieces:
            raise CheckpointError(
                f"the piece {piece!r} stands on two lines",
                where=f"{path}, lines {pieces[piece]} and {number}",
                hint="a vocabulary must be the one its model was trained with, line for line",
            )
        pieces[piece] = number
    return tuple(pieces)


def same_vocabulary(pieces: Sequence[str], listed: Sequence[str], *, where: str) -> None:
    """Check that `vocab.txt` (`listed`) holds the pieces of `tokenizer.json`.

    Raises:
        CheckpointError: it does not; names the first line that differs.
    """
    for number, (piece, line) in enumerate(zip(pieces, listed, strict=False), 1):
        if piece != line:
            raise CheckpointError(
                f"tokenizer.json has {piece!r} where vocab.txt has {line!r}", where=f"{where}, line {number}"
            )
    if len(pieces) != len(listed):
        raise CheckpointError(
            f"tokenizer.json has {len(pieces)} pieces, vocab.txt has {len(listed)} lines", where=where
        )


def run_alphabet(spec: TokenizerSpec) -> frozenset[str]:
    """The characters that form runs in `native` mode.

    Letters and digits that are pieces both at the start and inside of a word: a run of these can always be
    cut, so none is ever unknown as a whole.
    """
    pieces = set(spec.pieces)
    single = {piece for piece in pieces if len(piece) == 1 and may_run(piece)}
    return frozenset(char for char in single if spec.rules.prefix + char in pieces)
