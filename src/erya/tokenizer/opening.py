"""Opening whatever tokenizer a directory holds."""

from __future__ import annotations

from pathlib import Path

from erya.bundled import located
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.directory import is_wordpiece
from erya.tokenizer.library import LibraryTokenizer
from erya.tokenizer.wordpiece import Tokenizer


def open_tokenizer(directory: Path) -> AnyTokenizer:
    """Open the tokenizer of a directory: ours, a BERT's, or any that has a `tokenizer.json`.

    Args:
        directory: a tokenizer or model directory.
    Returns:
        A `Tokenizer` for WordPiece as BERT has it, otherwise a `LibraryTokenizer`.
    Raises:
        InputError: there is no tokenizer here, or a file cannot be read.
        CheckpointError: the files contradict each other, or are damaged.
    """
    directory = located(Path(directory))
    return Tokenizer.open(directory) if is_wordpiece(directory) else LibraryTokenizer.open(directory)
