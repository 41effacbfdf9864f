"""Text that was decoded wrongly before it came here, beyond repair."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from erya.corpus.filters.batch import TextBatch
from erya.corpus.filters.classes import Kind
from erya.corpus.filters.options import FilterOptions

# What U+FFFD in UTF-8 reads in GBK; what fresh memory (0xCC, 0xCD) reads in GBK.
_RUBBISH = re.compile("(?:锟斤拷)+|锟(?:斤)?|(?:斤拷)+|烫{4,}|屯{4,}")
_RUBBISH_HINTS = ("锟", "斤拷", "烫烫烫烫", "屯屯屯屯")
# Hanzi and full-width punctuation in UTF-8. Honest GBK has such bytes by chance, hardly ever three times in
# a row.
_UTF8_RUN = re.compile(rb"(?:[\xe4-\xe9][\x80-\xbf]{2}|\xe3\x80[\x80-\x9f]|\xef\xbc[\x80-\xbf]){3,}")
# A third of the characters of UTF-8 read as GBK begin as UTF-8 does.
_LEADS_WORTH_A_LOOK = 1 / 6
# Where Latin-1 is meant it has more plain letters than accented ones.
_MIN_ACCENTED = 0.2


def mojibake(batch: TextBatch, options: FilterOptions) -> NDArray[np.bool_]:
    """Too many of the characters come from a wrong decoding.

    Counted are U+FFFD and what became of it (锟斤拷), fresh memory (烫烫烫烫 屯屯屯屯), Hanzi whose GBK bytes
    read as UTF-8 (鎴戜滑 for 我们), and, where it is plenty, accented Latin as from GBK read as Latin-1
    (ÖÐÎÄ for 中文). Rare Hanzi as such do not count: their bytes are no UTF-8.
    """
    if options.max_mojibake_share is None or not len(batch):
        return np.zeros(len(batch), dtype=np.bool_)
    limits = options.max_mojibake_share * batch.visible
    bad = batch.counts[:, Kind.REPLACEMENT].copy()
    accented, plain = batch.counts[:, Kind.ACCENTED], batch.counts[:, Kind.LETTER]
    bad += accented * ((accented > _MIN_ACCENTED * batch.visible) & (accented > plain))
    if any(hint in batch.joined for hint in _RUBBISH_HINTS):
        bad += [_num_rubbish(text) for text in batch.texts]
    leads = batch.count_by_document(_is_utf8_lead()[batch.codes])
    for document in np.flatnonzero(leads > _LEADS_WORTH_A_LOOK * limits):
        bad[document] += _num_utf8_in_gbk(batch.texts[document])
    drop: NDArray[np.bool_] = bad > limits
    return drop


def _num_rubbish(text: str) -> int:
    if not any(hint in text for hint in _RUBBISH_HINTS):
        return 0
    return sum(len(match.group()) for match in _RUBBISH.finditer(text))


def _num_utf8_in_gbk(text: str) -> int:
    """How many characters of `text` are UTF-8 that was read as GBK."""
    return sum(len(run) for run in _UTF8_RUN.findall(text.encode("gbk", "replace"))) // 2


@cache
def _is_utf8_lead() -> NDArray[np.bool_]:
    """True for Hanzi whose GBK bytes begin a Hanzi in UTF-8, bool, shape (0x110000,)."""
    table = np.zeros(0x110000, dtype=np.bool_)
    for lead in range(0xE4, 0xEA):
        for tail in range(0x80, 0xC0):
            table[ord(bytes([lead, tail]).decode("gbk"))] = True
    return table
