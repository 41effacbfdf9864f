"""Added tokens: what is found in the text before it is cut into words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from erya.tokenizer.spec import AddedToken

_WORD_AT_END = re.compile(r"\w\Z")
_WORD_AT_START = re.compile(r"\w")
_SPACES_AT_START = re.compile(r"\s*")


class AddedTokens:
    """Finds the added tokens of a text: leftmost first, of those that begin together the longest.

    Args:
        tokens: what to look for.
        contents: how each is written in the text to be searched.
    """

    def __init__(self, tokens: Sequence[AddedToken], contents: Sequence[str]) -> None:
        self._tokens = {content: token for content, token in zip(contents, tokens, strict=True) if content}
        longest_first = sorted(self._tokens, key=lambda content: (-len(content), content))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def occurs_in(self, text: str) -> bool:
        """Whether any of them is written anywhere in `text`: a quick look before a careful one."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def find(self, text: str) -> Iterator[tuple[int, int, int]]:
        """The tokens in `text` in order, as (id, start, end) with the white space they take along."""
        done = 0
        for match in self._pattern.finditer(text) if self._pattern else ():
            token = self._tokens[match.group()]
            start, end = match.span()
            if token.single_word and _touches_word(text, start, end):
                continue
            if token.lstrip:
                start = max(done, len(text[:start].rstrip()))
            if token.rstrip:
                space = _SPACES_AT_START.match(text, end)
                end = space.end() if space else end
            yield token.id, start, end
            done = end


def _touches_word(text: str, start: int, end: int) -> bool:
    return _WORD_AT_END.search(text[:start]) is not None or _WORD_AT_START.match(text, end) is not None
