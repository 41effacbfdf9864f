"""How much a text looks like Chinese that was read in the right encoding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

# Chinese read rightly scores about 0.8, random bytes below 0.1.
LOOKS_CHINESE = 0.4
_COMMON = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可里"
    "后小么心多天而能好都然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已"
    "這來國個說們為時會著過學對裡後麼沒於還發當無開頭問動長見經現點實與從關門間樣東話種進"
)


@dataclass(frozen=True, slots=True)
class Likeness:
    """What speaks for a reading, and what against it.

    Attributes:
        foreign: how many characters are not ASCII.
        damage: share of characters that could not be read, in [0, 1].
        score: larger is likelier; compares readings of the same bytes. 1 if all is ASCII.
    """

    foreign: int
    damage: float
    score: float


def likeness(text: str) -> Likeness:
    """Judge one reading: few damaged characters, many of the everyday ones."""
    foreign = [character for character in text if character > "\x7f"]
    if not foreign:
        return Likeness(0, 0.0, 1.0)
    damaged = foreign.count("\ufffd")
    common = sum(character in _COMMON for character in foreign) / len(foreign)
    usual = sum(character in _usual_characters() for character in foreign) / len(foreign)
    score = common + usual / 2 - 2 * damaged / len(foreign)
    return Likeness(len(foreign), damaged / len(text), score)


@cache
def _usual_characters() -> frozenset[str]:
    """The everyday Hanzi (first levels of GB 2312 and Big5) and Chinese punctuation."""
    gb = bytes(byte for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for byte in (row, cell))
    cells = (*range(0x40, 0x7F), *range(0xA1, 0xFF))
    big5 = bytes(byte for row in range(0xA4, 0xC7) for cell in cells for byte in (row, cell))
    marks = "，。、；：？！“”‘’（）《》〈〉「」『』【】—…·　％０１２３４５６７８９"
    return frozenset(gb.decode("gb2312", "ignore") + big5.decode("big5", "ignore") + marks) - {"\ufffd"}
