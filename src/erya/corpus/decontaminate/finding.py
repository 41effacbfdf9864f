"""Documents that hold evaluation texts, found as BLAST finds genes: by n-grams that lie on one diagonal.

An n-gram at place p of a document and q of a text lies on the diagonal p - q. A text that stands in a
document, edited here and there, has most of its n-grams on neighbouring diagonals; common phrases
scattered over a long document have not. K pairs of an n-gram of a document and a posting of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.corpus.decontaminate.index import Index
from erya.corpus.decontaminate.letters import GRAM, Letters, covered_letters, gram_hashes, run_hashes, spans

_MIN_BAND = 16
# A text of so many letters may be a letter longer or shorter in its document without leaving its band.
_LETTERS_AN_EDIT = 16
# Texts worth fewer Hanzi must be there more completely: names and set phrases are half of many a short one.
_LONG = 64
# Texts worth fewer Hanzi must be sentences of the document: as a part of one they are set phrases.
_STANDS_ALONE = 20
_LINES_OF_A_SHORT_DOCUMENT = 3
_NOWHERE = np.iinfo(np.int64).max
_PAIR_BITS = 20
_PAIR_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Found:
    """Evaluation texts in documents; F of them.

    Attributes:
        documents: the document each stands in, ascending, int64, shape (F,).
        texts: which it is, int64, shape (F,).
        places: letters of the document before it, int64, shape (F,).
    """

    documents: NDArray[np.int64]
    texts: NDArray[np.int64]
    places: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Hits:
    """N-grams of documents that stand in texts; each attribute int64, shape (K,)."""

    documents: NDArray[np.int64]
    places: NDArray[np.int64]
    texts: NDArray[np.int64]
    text_places: NDArray[np.int64]

    def __getitem__(self, chosen: NDArray[Any]) -> _Hits:
        return _Hits(
            self.documents[chosen], self.places[chosen], self.texts[chosen], self.text_places[chosen]
        )


class Finder:
    """Finds the texts of an index in documents.

    Args:
        folder: where the index is.
        share: of the n-grams of a text that must stand in a document, in (0, 1].
    """

    def __init__(self, folder: Path, share: float) -> None:
        self._index = Index.open(folder)
        self._needed = np.maximum(np.ceil(share * self._index.grams - 1e-9), 1).astype(np.int64)
        letters = self._index.letters.astype(np.int64)
        self._bands = np.maximum(_MIN_BAND, letters * 2 // _LETTERS_AN_EDIT)
        worth = np.asarray(self._index.weights)
        self._missing = (1 - share) * letters * np.minimum(worth / _LONG, 1) + 1e-6
        self._must_stand_alone = worth < _STANDS_ALONE

    def __call__(self, letters: Letters) -> Found:
        """Look for all texts in some documents."""
        by_grams, by_lines = self._by_grams(letters), self._by_lines(letters)
        documents = np.concatenate([by_grams.documents, by_lines.documents])
        order = np.argsort(documents, kind="stable")
        return Found(
            documents[order],
            np.concatenate([by_grams.texts, by_lines.texts])[order],
            np.concatenate([by_grams.places, by_lines.places])[order],
        )

    def _by_lines(self, letters: Letters) -> Found:
        """Texts too short for n-grams: whole lines of documents that consist of hardly anything else."""
        lines = np.diff(letters.first_lines)
        chosen = np.repeat(lines <= _LINES_OF_A_SHORT_DOCUMENT, lines)
        documents = np.repeat(np.arange(len(lines)), lines)[chosen]
        starts, ends = letters.line_bounds[:-1][chosen], letters.line_bounds[1:][chosen]
        hashes = run_hashes(letters.codes[spans(starts, ends - starts)], ends - starts)
        places = np.searchsorted(self._index.lines, hashes)
        known = places < len(self._index.lines)
        known[known] = self._index.lines[places[known]] == hashes[known]
        found = documents[known]
        texts = self._index.line_texts[places[known]].astype(np.int64)
        return Found(found, texts, starts[known] - letters.bounds[found])

    def _by_grams(self, letters: Letters) -> Found:
        hits = self._likely(self._hits(letters))
        pairs, numbers = np.unique(hits.documents * len(self._needed) + hits.texts, return_inverse=True)
        begins = np.full(len(pairs), _NOWHERE)
        diagonals = hits.places - hits.text_places + int(self._index.letters.max(initial=0))
        width = self._bands[hits.texts]
        for shift in (np.zeros_like(width), width // 2):
            found, places = self._on_one_band(letters, hits, numbers, (diagonals + shift) // width)
            np.minimum.at(begins, found, places)
        is_found = begins < _NOWHERE
        texts = len(self._needed)
        return Found(pairs[is_found] // texts, pairs[is_found] % texts, begins[is_found])

    def _on_one_band(
        self, letters: Letters, hits: _Hits, numbers: NDArray[np.int64], bands: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pairs of document and text with enough n-grams on one band, each with the place of the first."""
        groups, of_group = np.unique(numbers * (bands.max(initial=0) + 1) + bands, return_inverse=True)
        longest = int(self._index.letters.max(initial=0)) + 1
        different, at = np.unique(of_group * longest + hits.text_places, return_index=True)
        owners, places = np.divmod(different, longest)
        counts = np.bincount(owners, minlength=len(groups))
        last = np.cumsum(counts) - 1
        ends = hits[at[last]]
        begins = hits[at[last - counts + 1]]
        missing = self._index.covered[begins.texts] - covered_letters(owners, places, len(groups))
        chosen = (counts >= self._needed[begins.texts]) & (missing <= self._missing[begins.texts])
        chosen &= ~self._must_stand_alone[begins.texts] | self._stands_alone(letters, begins, ends)
        return numbers[at[last[chosen]]], begins.places[chosen]

    def _stands_alone(self, letters: Letters, begins: _Hits, ends: _Hits) -> NDArray[np.bool_]:
        """Whether what lies around the first and the last n-gram of each text is one or more sentences."""
        firsts, lasts = letters.bounds[begins.documents], letters.bounds[begins.documents + 1]
        start = np.maximum(firsts + begins.places - begins.text_places, firsts)
        rest = self._index.letters[ends.texts] - ends.text_places
        end = np.minimum(firsts + ends.places + rest, lasts)
        stands_alone: NDArray[np.bool_] = letters.is_start[start] & letters.is_start[end]
        return stands_alone

    def _hits(self, letters: Letters) -> _Hits:
        """All n-grams of the documents that are indexed, with all their postings."""
        index, hashes = self._index, gram_hashes(letters.codes)
        bits = (hashes >> np.uint64(index.filter_shift)).astype(np.int64)
        maybe = np.flatnonzero((index.filter[bits >> 3] >> (bits & 7).astype(np.uint8)) & 1)
        maybe = maybe[np.argsort(hashes[maybe])]  # looked up in ascending order they are near each other
        documents = np.searchsorted(letters.bounds, maybe, side="right") - 1
        within = maybe + GRAM <= letters.bounds[documents + 1]
        maybe, documents = maybe[within], documents[within]
        grams = np.searchsorted(index.hashes, hashes[maybe])
        known = grams < len(index.hashes)
        known[known] = index.hashes[grams[known]] == hashes[maybe[known]]
        maybe, documents, grams = maybe[known], documents[known], grams[known]
        counts = index.starts[grams + 1] - index.starts[grams]
        postings = spans(index.starts[grams], counts)
        return _Hits(
            np.repeat(documents, counts),
            np.repeat(maybe - letters.bounds[documents], counts),
            index.texts[postings].astype(np.int64),
            index.places[postings].astype(np.int64),
        )

    def _likely(self, hits: _Hits) -> _Hits:
        """Without most of the pairs of document and text that have too few n-grams in common on any band."""
        pairs = (hits.documents * len(self._needed) + hits.texts).astype(np.uint64) * _PAIR_MIX
        buckets = (pairs >> np.uint64(64 - _PAIR_BITS)).astype(np.int64)
        return hits[np.bincount(buckets, minlength=1)[buckets] >= self._needed[hits.texts]]
