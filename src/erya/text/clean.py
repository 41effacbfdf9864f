"""Cleaning: the repairs in their order, with an alignment back to the text as it came."""

from __future__ import annotations

from collections.abc import Iterator

from erya.config import StrictModel
from erya.text.alignment import Aligned
from erya.text.characters import Width, clean_characters
from erya.text.repair import repair_mojibake, unescape_references


class CleanOptions(StrictModel):
    """What `clean` does.

    Attributes:
        mojibake: repair UTF-8 that was read as Latin-1 or cp1252.
        references: replace HTML character references.
        width: which full-width ASCII becomes half-width (`letters`, `all` or `keep`).
    """

    mojibake: bool = True
    references: bool = True
    width: Width = "letters"


DEFAULT_OPTIONS = CleanOptions()


def clean(text: str, options: CleanOptions = DEFAULT_OPTIONS) -> Aligned:
    """Clean one text.

    Encoding repair and character references come first, so that what they bring to light (a no-break
    space, a zero-width mark) is cleaned like the rest; then width, invisible characters and white space.

    Args:
        text: any string, lone surrogates included.
        options: what to leave out.
    Returns:
        A text that UTF-8 can hold, and the alignment of its characters with those of `text`.
    """
    alignment = None
    for changed in _changes(text, options):
        alignment = changed.alignment if alignment is None else changed.alignment.after(alignment)
        text = changed.text
    return Aligned.unchanged(text) if alignment is None else Aligned(text, alignment)


def clean_text(text: str, options: CleanOptions = DEFAULT_OPTIONS) -> str:
    """The text of `clean`; faster where there is nothing to do, which is most often."""
    for changed in _changes(text, options):
        text = changed.text
    return text


def _changes(text: str, options: CleanOptions) -> Iterator[Aligned]:
    """Each step that changes something, one after the other."""
    if options.mojibake and (repaired := repair_mojibake(text)):
        text = repaired.text
        yield repaired
    if options.references and (unescaped := unescape_references(text)):
        text = unescaped.text
        yield unescaped
    if normal := clean_characters(text, width=options.width):
        yield normal
