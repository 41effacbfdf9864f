"""Sentence splitting for Chinese text with Latin in it."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from erya.config import StrictModel


class SentenceOptions(StrictModel):
    """Which marks end a sentence besides 。！？ ! ? . and line breaks.

    Attributes:
        ellipsis: `……` and `...` do.
        semicolon: `；` does (a Latin `;` never does: it ends statements of code).
    """

    ellipsis: bool = True
    semicolon: bool = False


DEFAULT_OPTIONS = SentenceOptions()

_BREAKS = "\n\v\f\r\x85\u2028\u2029"
# What closes a quotation or bracket stays with the sentence it closes.
_CLOSERS = '」』”’）】》〉〕］｝﹂﹄)]}"'
# After these a sentence goes on: “你好！”，他说。
_GOES_ON = "，、：；,:;"
_MARKS = "。！？｡．.!?…⋯‼⁇⁈⁉"
# One class of characters first: the search skips all others at speed.
_CANDIDATE = re.compile(f"[{_BREAKS}{_MARKS}；](?:(?<![{_BREAKS}])[{_MARKS}；{re.escape(_CLOSERS)}]+)?")
_FIRM = re.compile("[。！？｡．‼⁇⁈⁉]")
_SHORT_FORMS = """
mr mrs ms dr prof st jr sr vs etc inc ltd co corp no fig eq vol ed al approx dept est jan feb mar apr jun
jul aug sep sept oct nov dec mt ft gen col capt lt sgt rev hon
"""
_ABBREVIATIONS = frozenset(_SHORT_FORMS.split())
# A mark before one of these stands inside an address (a?b=c) or a name (Yahoo!7).
_WITHIN_ADDRESS = re.compile("[A-Za-z0-9=&/_%#-]")
# A Latin sentence begins with a capital: "approx. five" goes on.
_GOES_ON_LATIN = re.compile(" +[a-z]")
_WORD_BEFORE = re.compile(r"([A-Za-z](?:[A-Za-z.]*[A-Za-z])?)\Z")


def sentences(text: str, options: SentenceOptions = DEFAULT_OPTIONS) -> list[tuple[int, int]]:
    """Split a text into sentences.

    Args:
        text: any string.
        options: which marks end a sentence.
    Returns:
        Half-open spans in order, without white space at their ends. Every other character lies in exactly
        one of them.
    """
    spans: list[tuple[int, int]] = []
    start = 0
    for end in [*_ends(text, options), len(text)]:
        left, right = start, end
        while left < right and text[left].isspace():
            left += 1
        while left < right and text[right - 1].isspace():
            right -= 1
        if left < right:
            spans.append((left, right))
        start = end
    return spans


def sentence_ends(text: str, options: SentenceOptions = DEFAULT_OPTIONS) -> NDArray[np.bool_]:
    """True at the last character of each sentence, bool, shape (len(text),)."""
    ends = np.zeros(len(text), dtype=np.bool_)
    ends[[end - 1 for _, end in sentences(text, options)]] = True
    return ends


def _ends(text: str, options: SentenceOptions) -> list[int]:
    """The places where a sentence may end, in order."""
    ends: list[int] = []
    line, quotes, counted = 0, 0, 0
    for match in _CANDIDATE.finditer(text):
        start, end = match.span()
        if text[start] in _BREAKS:
            ends.append(end)
            line, quotes, counted = end, 0, end
            continue
        quote = text.find('"', start, end) if end > start + 1 else -1
        if quote >= 0:
            # Straight quotes look alike: one closes where an odd number of them stands before it in its line.
            quotes += text.count('"', counted, quote)
            counted = quote
            end = end if quotes % 2 else quote
        if _is_end(text, line, start, end, options):
            ends.append(end)
    return ends


def _is_end(text: str, line: int, start: int, end: int, options: SentenceOptions) -> bool:
    """Whether the marks and closers text[start:end] end a sentence; `line` is where their line begins."""
    marks, following = text[start:end], text[end : end + 1]
    if following and following in _GOES_ON:
        return False
    if marks[0] == "。" or _FIRM.search(marks) or ("；" in marks and options.semicolon):
        return True
    if "…" in marks or "⋯" in marks or "..." in marks:
        return options.ellipsis
    if "!" in marks or "?" in marks:
        return not _WITHIN_ADDRESS.match(following)
    return "." in marks and _is_full_stop(text, line, start, following)


def _is_full_stop(text: str, line: int, dot: int, following: str) -> bool:
    """Whether a Latin dot ends a sentence, and not an abbreviation, a number or a part of a name."""
    if (following and following.isascii() and not following.isspace()) or _GOES_ON_LATIN.match(text, dot + 1):
        return False
    word = _WORD_BEFORE.search(text, max(line, dot - 24), dot)
    if word is not None:
        name = word.group().lower()
        is_short = len(name) == 1 or "." in name or name in _ABBREVIATIONS
        return not is_short or following in ("", *_BREAKS)
    if text[dot - 1 : dot].isdigit():
        # "1." numbers a list: at the start of its line, or with no space after it.
        return following.isspace() and not text[line:dot].strip().isdigit()
    return dot > line
