"""All filters that drop a document, in the order in which their reasons count."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.blocked import blocked_words
from erya.corpus.filters.boilerplate import mostly_boilerplate
from erya.corpus.filters.encoding import mojibake
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.proportions import (
    few_hanzi,
    japanese,
    many_digits,
    much_punctuation,
    too_long,
    too_short,
    unusual_hanzi,
    word_list,
)
from erya.corpus.filters.repetition import long_runs, one_character, repeated_grams, repeated_lines

Filter = Callable[[TextBatch, FilterOptions], NDArray[np.bool_]]

# (reason, function: True where the document is to be dropped)
FILTERS: tuple[tuple[str, Filter], ...] = (
    ("mostly boilerplate", mostly_boilerplate),
    ("too short", too_short),
    ("too long", too_long),
    ("mojibake", mojibake),
    ("repeated characters", long_runs),
    ("one character", one_character),
    ("much punctuation", much_punctuation),
    ("many digits", many_digits),
    ("few Hanzi", few_hanzi),
    ("Japanese", japanese),
    ("unusual Hanzi", unusual_hanzi),
    ("repeated lines", repeated_lines),
    ("repeated phrases", repeated_grams),
    ("word list", word_list),
    ("blocked words", blocked_words),
)
