"""Lines of boilerplate: taken out of a document, which is dropped if they are most of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.classes import Kind
from erya.corpus.filters.line_rules import MAX_LINE, candidates, kind_of
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.page_words import HINTS
from erya.corpus.filters.word_matcher import WordMatcher

_LINE_FEED = ord("\n")
# A menu has so many words, with what stands between them no longer than this each.
_MENU_WORDS, _MENU_SPACING = 3, 8


def without_boilerplate(batch: TextBatch) -> tuple[TextBatch, Counter[str]]:
    """Take out lines that are links, paths to the page, menus and notices.

    Returns:
        The batch that is left (the same one where there was nothing to do), and the number of lines taken out
        by kind.
    """
    lines = batch.joined.split("\n")[:-1]
    line_ends = np.flatnonzero(batch.codes == _LINE_FEED)
    found: dict[int, str] = {}
    hinted = np.searchsorted(line_ends, _hints().find(batch.codes)).tolist()
    menus = (index for index in _like_menus(batch, line_ends).tolist() if not lines[index].isascii())
    for index in sorted({*hinted, *candidates(lines), *menus}):
        kind = kind_of(lines[index]) if len(lines[index]) <= MAX_LINE else None
        if kind is not None:
            found[index] = kind
    if not found:
        return batch, Counter()
    return _without_lines(batch, lines, line_ends, sorted(found)), Counter(found.values())


def mostly_boilerplate(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Most of the document was boilerplate; what is left of it is not worth keeping."""
    if options.max_boilerplate_share is None:
        return np.zeros(len(batch), dtype=np.bool_)
    before = batch.lengths + batch.removed
    return batch.removed > options.max_boilerplate_share * before


def _like_menus(batch: TextBatch, line_ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which lines have what stands between words as often as a menu has, int64."""
    starts = np.concatenate([[0], line_ends + 1])[:-1]
    lengths = line_ends - starts
    is_between = (batch.kinds == Kind.SPACE) | (batch.kinds == Kind.LIST_MARK)
    num_between = np.add.reduceat(is_between, starts, dtype=np.int64)  # the line feed is one
    is_menu = (num_between >= _MENU_WORDS) & (lengths <= _MENU_SPACING * num_between) & (lengths <= MAX_LINE)
    return np.flatnonzero(is_menu)


def _without_lines(
    batch: TextBatch, lines: Sequence[str], line_ends: NDArray[np.int64], found: Sequence[int]
) -> TextBatch:
    """The batch without the lines `found`; a line and the feed after it count as removed."""
    owners = np.searchsorted(batch.bounds, line_ends[list(found)], side="right") - 1
    first_lines = np.searchsorted(line_ends, batch.bounds)
    texts = list(batch.texts)
    unwanted = set(found)
    for document in np.unique(owners).tolist():
        kept = [
            lines[index]
            for index in range(first_lines[document], first_lines[document + 1])
            if index not in unwanted
        ]
        texts[document] = "\n".join(kept)
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return TextBatch(texts, removed=batch.lengths - lengths)


@cache
def _hints() -> WordMatcher:
    return WordMatcher(HINTS)
