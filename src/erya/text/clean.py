"""Cleaning: the repairs in their order, with an alignment back to the text as it came."""

from __future__ import annotations

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
    result = Aligned.unchanged(text)
    if options.mojibake:
        result = _then(result, repair_mojibake(result.text))
    if options.references:
        result = _then(result, unescape_references(result.text))
    return _then(result, clean_characters(result.text, width=options.width))


def _then(earlier: Aligned, later: Aligned) -> Aligned:
    return (
        later if earlier.text is later.text else Aligned(later.text, later.alignment.after(earlier.alignment))
    )
