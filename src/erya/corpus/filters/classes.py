"""What kind of character each code point is, as one table over all of them."""

from __future__ import annotations

import string
import unicodedata
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

_CODES = 0x110000


class Kind(IntEnum):
    """The kinds the filters count. Every code point is of exactly one."""

    OTHER = 0  # letters and marks of other scripts, private use, unassigned
    SPACE = 1  # white space and line feeds
    HANZI = 2  # any but the common ones
    COMMON = 3  # Hanzi that make up much of any honest text
    LETTER = 4  # a-z A-Z
    DIGIT = 5
    KANA = 6
    ACCENTED = 7  # letters of Latin-1: most bytes above 0x7F read as Latin-1
    STOP = 8  # ends or cuts a sentence: 。！？；：… . ! ? ; : ，
    LIST_MARK = 9  # joins the items of a list: 、 , | / - _ · > #
    PUNCTUATION = 10  # any other punctuation or symbol
    REPLACEMENT = 11  # U+FFFD


NUM_KINDS = len(Kind)

# 420 frequent Hanzi of modern text, of classical text, and traditional forms of them. In the sparsest honest
# text seen, a list of menu items, every seventh Hanzi is one of these.
_COMMON = (
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过发后作里用"
    "道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本前开但因只从想实日军"
    "者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问很最重并物手应战向头文体政美相见"
    "被利什二等产或新己制身果加西斯月话合回特代内信表化老给世位次度门任常先海通教儿原东声提立及比员解水名真"
    "论处走义各入几口认条平系气题活尔更别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直"
    "德资命山金指克许统区保至队形社便空决治展马科司五基眼书非则听白却界达光放强即像难且权思王象完设式色路记"
    "曰矣焉乎哉兮乃夫故若吾君臣帝诸侯令遂卿州郡辞皆未欲莫谓"
    "這個們來為國說時會對於過發後裡種經學現當沒動還進樣開從實軍無與長機關點業將兩間問應戰頭體見產話門東聲員"
    "處義幾認條係氣題爾別變總電數報結務場計資統區隊決馬書則聽達強難權記諸辭謂"
)
_HANZI = (
    (0x2E80, 0x2FD5),
    (0x3005, 0x3007),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAD9),
    (0x20000, 0x33479),
)
_KANA = ((0x3041, 0x3096), (0x309D, 0x309F), (0x30A1, 0x30FA), (0x30FC, 0x30FF), (0xFF66, 0xFF9F))
_SYMBOL_BLOCKS = (range(0x21, 0x10000), range(0x1F000, 0x1FB00))
_STOPS = "。！？；：，…．.!?;:︰﹐﹑﹒﹔﹕﹖﹗｡"
_ACCENTED = "".join(chr(code) for code in range(0xC0, 0x100) if code not in (0xD7, 0xF7))
_LIST_MARKS = "、,|/\\-_·>#・｜／—–»›→＞＃､"
_SPACES = " \t\n\v\f\r\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"


@cache
def kinds() -> NDArray[np.uint8]:
    """The kind of every code point, uint8, shape (0x110000,)."""
    table = np.zeros(_CODES, dtype=np.uint8)
    for block in _SYMBOL_BLOCKS:
        marks = [code for code in block if unicodedata.category(chr(code))[0] in "PS"]
        table[marks] = Kind.PUNCTUATION
    for ranges, kind in ((_HANZI, Kind.HANZI), (_KANA, Kind.KANA)):
        for first, last in ranges:
            table[first : last + 1] = kind
    for characters, kind in (
        (string.ascii_letters, Kind.LETTER),
        (string.digits, Kind.DIGIT),
        (_ACCENTED, Kind.ACCENTED),
        (_COMMON, Kind.COMMON),
        (_STOPS, Kind.STOP),
        (_LIST_MARKS, Kind.LIST_MARK),
        (_SPACES, Kind.SPACE),
        ("\ufffd", Kind.REPLACEMENT),
    ):
        table[[ord(character) for character in characters]] = kind
    table[0x2000:0x200B] = Kind.SPACE
    table[0xFF10:0xFF1A] = Kind.DIGIT
    return table
