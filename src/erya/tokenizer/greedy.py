"""WordPiece: the longest piece first."""

from __future__ import annotations

from collections.abc import Mapping


class GreedyPieces:
    """Cut a word into the longest pieces of a vocabulary, from left to right.

    Args:
        pieces: ids by piece; a piece that continues a word begins with `prefix`.
        unk_id: the id of a word that cannot be cut so.
        prefix: what marks continuing pieces, such as `##`.
        max_word_length: a longer word (in characters) is unknown without a look.
    Source: Wu et al. 2016, Google's Neural Machine Translation System, section 4.1; greedy search as in
        Devlin et al. 2019 (BERT).
    """

    def __init__(self, pieces: Mapping[str, int], *, unk_id: int, prefix: str, max_word_length: int) -> None:
        self._first, self._rest = pieces, _continuing(pieces, prefix)
        self._unk_id, self._max_word_length = unk_id, max_word_length
        # How long a piece may be that begins with these two letters.
        self._first_reach, self._rest_reach = _reach(self._first), _reach(self._rest)

    def __call__(self, word: str) -> list[tuple[int, int, int]]:
        """The pieces of `word` as (id, start, end); one unknown piece if any part of it has none."""
        if len(word) > self._max_word_length:
            return [(self._unk_id, 0, len(word))]
        found, start = [], 0
        pieces, reach = self._first, self._first_reach
        while start < len(word):
            longest = reach.get(word[start : start + 2], 1)
            for end in range(min(len(word), start + longest), start, -1):
                piece = pieces.get(word[start:end])
                if piece is not None:
                    found.append((piece, start, end))
                    break
            else:
                return [(self._unk_id, 0, len(word))]
            start, pieces, reach = end, self._rest, self._rest_reach
        return found


def _continuing(pieces: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {piece[len(prefix) :]: id for piece, id in pieces.items() if piece.startswith(prefix)}


def _reach(pieces: Mapping[str, int]) -> dict[str, int]:
    reach: dict[str, int] = {}
    for piece in pieces:
        reach[piece[:2]] = max(reach.get(piece[:2], 1), len(piece))
    return reach
