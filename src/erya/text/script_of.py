"""Which script a text is written in: by the Hanzi that only one of the two has.

A Hanzi is of one script alone when OpenCC's character tables give it another form in the other. Most Hanzi
are shared, but in running text about three in ten are not. No phrase is looked at, so this is cheap enough
for every document of a corpus.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from erya.text.characters import code_points
from erya.text.script import Conversion, convert_text

Script = Literal["simplified", "traditional", "mixed", "neutral", "none"]

NOT_HANZI, SHARED, SIMPLIFIED, TRADITIONAL = range(4)
# Up to this share of the telling Hanzi may be of the other script: a name, a quotation, a slip.
MAX_OTHER_SHARE = 0.1

_CODES = 0x110000
# 〇, extension A, the first block, extensions B to I, extension J.
_CONVERTED = ((0x3007, 0x3007), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x323AF), (0x323B0, 0x33479))
# Radicals and compatibility forms: Hanzi encoded a second time, which OpenCC changes for other reasons.
_DOUBLES = ((0x2E80, 0x2FD5), (0xF900, 0xFAD9))
# Simplified forms that traditional text has too, with another meaning (皇后, 公里, 干涉, 茶几), as OpenCC's
# table lists them; and 乾, which simplified text keeps (乾坤).
_KEPT_IN_BOTH = (
    "熏淀郁适雇采里辟荐胜苹虫跖腊腌范蚝蝎蜡膻准几凶厂厘划占台叶吁吃后帘岩岳党夸咨咸尸唇干广征确种筑皂挂涂涌"
    "杠杰极游据斗愿朴柜万丑丰伙于云亘仆价余佣㐹乾"
)


def script_of(text: str) -> Script:
    """The script of a text.

    Args:
        text: any string.
    Returns:
        `simplified` or `traditional` when at most a tenth of the Hanzi that tell are of the other script;
        `mixed` when more are; `neutral` when no Hanzi tells; `none` when there is no Hanzi.
    """
    counts = np.bincount(hanzi_scripts()[code_points(text)], minlength=4)
    return script_of_counts(*counts[1:].tolist())


def script_of_counts(shared: int, simplified: int, traditional: int) -> Script:
    """The script of a text with so many Hanzi of each kind; see `script_of`."""
    telling = simplified + traditional
    if not telling:
        return "neutral" if shared else "none"
    if min(simplified, traditional) > MAX_OTHER_SHARE * telling:
        return "mixed"
    return "simplified" if simplified > traditional else "traditional"


@cache
def hanzi_scripts() -> NDArray[np.uint8]:
    """For each code point NOT_HANZI, SHARED, SIMPLIFIED (only) or TRADITIONAL (only), shape (0x110000,).

    Made of OpenCC's tables on the first call, in about a tenth of a second; not to be written to.
    """
    table = np.full(_CODES, NOT_HANZI, dtype=np.uint8)
    for first, last in _DOUBLES:
        table[first : last + 1] = SHARED
    codes = np.concatenate([np.arange(first, last + 1) for first, last in _CONVERTED])
    to_traditional, to_simplified = _changed(codes, "s2t"), _changed(codes, "t2s")
    table[codes] = SHARED
    table[codes[to_traditional & ~to_simplified]] = SIMPLIFIED
    table[codes[to_simplified & ~to_traditional]] = TRADITIONAL
    table[list(map(ord, _KEPT_IN_BOTH))] = SHARED
    table.setflags(write=False)
    return table


def _changed(codes: NDArray[np.int64], conversion: Conversion) -> NDArray[np.bool_]:
    """Which characters have another form in the other script, bool, shape (len(codes),)."""
    # A line break between two characters: no phrase reaches across it.
    new = convert_text("\n".join(map(chr, codes.tolist())), conversion).split("\n")
    assert len(new) == len(codes), "a character became none, or a line"
    return np.array(
        [form != chr(code) for form, code in zip(new, codes.tolist(), strict=True)], dtype=np.bool_
    )
