"""Answers cut into what their overlap is counted in: Chinese characters, and words of everything else.

This is the segmentation of the official scorer of CMRC 2018. What is not Chinese it hands to NLTK's
`word_tokenize`; the rules of that (Penn Treebank's) which can still matter after the scorer has taken its
punctuation out are written down here, so that scoring needs no NLTK. One step is left out: NLTK first splits
English into sentences by a trained model, which decides whether a full stop inside is a word of its own.
That is so in 4 of the 9,423 pieces that are not Chinese in CMRC 2018's answers.
"""

from __future__ import annotations

import re

# As in the official script. Its 33rd entry is "……", two characters: it equals none and drops nothing.
_DROPPED = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")
_CHINESE = "\u4e00-\u9fa5"
_CUT = re.compile(f"[{_CHINESE}]|[^{_CHINESE}]+")

# Each rule puts spaces around what is a word of its own; the order matters.
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # A straight quote is written as an opening or a closing one.
        (r'^"', " `` "),
        (r"""([ (\[{<«‘„])(?:"|'')""", r"\1 `` "),
        # An apostrophe that opens a word, unless it begins a clitic.
        (r"(?<!\w)'(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", "' "),
        # The last full stop, perhaps before closing brackets and quotes; others belong to an abbreviation.
        (r"""(?<=[^.])\.(?=[\])}>"'» ]*\s*$)""", " . "),
        # A comma, but not within a number. It takes the next character along: of two commas the second
        # is only seen at the end.
        (r",(\D)", r" , \1"),
        (r",$", " , "),
        (r"(\.{2,})", r" \1 "),
        (r"([«‘„;@#$%&?!\u2012-\u2015])", r" \1 "),
        (r"([^'])' ", r"\1 ' "),
        (r"([\[\](){}<>»])", r" \1 "),
        # Whatever quotes are left are closing ones.
        (r"^|$", " "),
        (r"""''|\"""", " '' "),
        (r"\s+", " "),
        # Clitics.
        (r"([^' ])('[smd]|') ", r"\1 \2 "),
        (r"([^' ])('ll|'re|'ve|n't) ", r"\1 \2 "),
        (r"\b(can)(not)\b", r" \1 \2 "),
        (r"\b(d)('ye)\b", r" \1 \2 "),
        (r"\b(gim|lem)(me)\b", r" \1 \2 "),
        (r"\b(gon)(na)\b", r" \1 \2 "),
        (r"\b(got)(ta)\b", r" \1 \2 "),
        (r"\b(more)('n)\b", r" \1 \2 "),
        (r"\b(wan)(na)(?=\s)", r" \1 \2 "),
    )
)


def without_punctuation(text: str) -> str:
    """Lower-cased text without the punctuation that the official scorer ignores.

    Source: cmrc2018_evaluate.py, `remove_punctuation`.
    """
    return "".join(character for character in text.lower().strip() if character not in _DROPPED)


def segments(text: str) -> list[str]:
    """The units an answer's overlap is counted in: Chinese characters (U+4E00 to U+9FA5) and English words.

    Source: cmrc2018_evaluate.py, `mixed_segmentation` with `rm_punc`.
    """
    pieces = _CUT.findall(without_punctuation(text))
    return [
        unit for piece in pieces for unit in ([piece] if "\u4e00" <= piece[0] <= "\u9fa5" else _words(piece))
    ]


def _words(piece: str) -> list[str]:
    """Words and marks of lower-cased text that is not Chinese.

    Source: MacIntyre 1995, the Penn Treebank's tokenizer.sed, as NLTK's `NLTKWordTokenizer` extends it.
    """
    if piece.isalnum() and piece.isascii() and piece not in _JOINED:
        return [piece]
    for pattern, replacement in _RULES:
        piece = pattern.sub(replacement, piece)
    return piece.split()


_JOINED = frozenset(("cannot", "gimme", "lemme", "gonna", "gotta", "wanna"))
