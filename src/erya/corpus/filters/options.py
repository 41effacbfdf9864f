"""What the filters drop, take out and mask."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from erya.config import StrictModel
from erya.text.private import PrivateKind

Share = Annotated[float, Field(ge=0, le=1)]


class FilterOptions(StrictModel):
    """What the filters drop, take out and mask. None switches a filter off.

    Shares are of the characters of a document that are not white space unless something else is said.

    Attributes:
        min_characters: a shorter document is dropped ("too short").
        max_characters: a longer document is dropped ("too long").
        min_hanzi_share: least share of Hanzi ("few Hanzi").
        max_kana_share: most kana ("Japanese").
        min_common_share: least share of common Hanzi among the Hanzi, half as much with 20 to 49 Hanzi,
            nothing with fewer ("unusual Hanzi"): text in a wrong encoding, lists of characters.
        max_digit_share: most digits ("many digits").
        max_punctuation_share: most punctuation and symbols ("much punctuation").
        max_list_pieces: most pieces (between spaces, line ends, 、 | / and such) a character, of documents of
            200 characters and more with hardly any mark that ends or cuts a sentence ("word list").
        max_mojibake_share: most characters that come from a wrong decoding ("mojibake").
        run_length: so many times the same character is a run, in
        max_run_share: most characters in runs ("repeated characters").
        max_character_share: most of any one letter or Hanzi, of documents of 20 characters and more ("one
            character").
        max_repeated_line_share: most characters in lines that stood in the document before ("repeated
            lines"); white space counts.
        gram_length: characters of an n-gram, in
        max_gram_repeats: an n-gram that occurs more often than this is repeated, in
        max_repeated_gram_share: most repeated n-grams among all ("repeated phrases").
        boilerplate_lines: whether lines of boilerplate, navigation and bare links are taken out.
        max_boilerplate_share: most characters taken out so; with more the document is dropped ("mostly
            boilerplate").
        blocked_words: words of two characters and more, letter case set aside.
        blocked_occurrences: a document with so many of them is dropped ("blocked words").
        mask: what is replaced by [电话], [邮箱], [证件号]: `phone`, `email`, `identity`.
    """

    min_characters: int | None = Field(5, ge=1)
    max_characters: int | None = Field(None, ge=1)
    min_hanzi_share: Share | None = 0.1
    max_kana_share: Share | None = 0.35
    min_common_share: Share | None = 0.13
    max_digit_share: Share | None = 0.6
    max_punctuation_share: Share | None = 0.6
    max_list_pieces: Share | None = 0.15
    max_mojibake_share: Share | None = 0.05
    run_length: int = Field(8, ge=2)
    max_run_share: Share | None = 0.3
    max_character_share: Share | None = 0.3
    max_repeated_line_share: Share | None = 0.3
    gram_length: int = Field(10, ge=2, le=100)
    max_gram_repeats: int = Field(3, ge=1)
    max_repeated_gram_share: Share | None = 0.6
    boilerplate_lines: bool = True
    max_boilerplate_share: Share | None = 0.5
    blocked_words: tuple[str, ...] = ()
    blocked_occurrences: int = Field(1, ge=1)
    mask: tuple[PrivateKind, ...] = ()

    @field_validator("blocked_words")
    @classmethod
    def _long_enough(cls, words: tuple[str, ...]) -> tuple[str, ...]:
        short = [word for word in words if len(word) < 2]
        if short:
            raise ValueError(f"a blocked word has at least two characters, not {short[0]!r}")
        return words
