"""What of a document is compared: a fingerprint for exact copies, a MinHash signature for near ones."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from erya.corpus.deduplicate.folding import LETTER, Folded, hash_slices
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.runtime import require

# So many signatures become Python lists at a time, on their way out of rensa.
_CHUNK = 512
# With a smaller share of letters from the CJK radicals on, a text is written in an alphabet.
_FIRST_CJK, _MIN_CJK_SHARE = 0x2E80, 0.1
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIXER = np.uint64(0xD6E8FEB86659FD93)
_SHIFT = np.uint64(32)


def fingerprints(folded: Folded) -> NDArray[np.uint64]:
    """64 bits a text, the same for texts that differ in white space, script, width and case only.

    Among a hundred million documents the chance that any two different ones share it is below 0.03 %.

    Returns:
        The fingerprints, uint64, shape (D,).
    """
    return hash_slices(folded, folded.bounds[:-1], folded.bounds[1:])


def band_names(options: DeduplicateOptions) -> list[str]:
    """The columns that hold a signature."""
    return [f"band_{band:03}" for band in range(options.bands)] if options.near != "off" else []


def signature_schema(options: DeduplicateOptions) -> pa.Schema:
    """The columns of `signature_batch`."""
    bands = [pa.field(name, pa.uint64()) for name in band_names(options)]
    return pa.schema([pa.field("doc", pa.int64()), pa.field("fingerprint", pa.uint64()), *bands])


def signature_batch(docs: NDArray[np.int64], folded: Folded, options: DeduplicateOptions) -> pa.RecordBatch:
    """Fingerprints and signatures of some documents.

    Args:
        docs: their numbers, int64, shape (D,).
        folded: their texts, D of them.
        options: which n-grams and how many minima.
    Returns:
        A row a document: `doc`, `fingerprint` and the signature: the low 16 bits of every minimum, four of
        them a column, so that two documents have a band in common where a column is equal. The columns are
        null for documents that are too short to be nearly the same as another, and not there if none are
        looked for.
    Source: Broder 1997, On the Resemblance and Containment of Documents; Li and Koenig 2010, b-Bit Minwise
        Hashing; Dahlgaard et al. 2017, Fast Similarity Sketching (what rensa computes).
    """
    columns = [pa.array(docs, pa.int64()), pa.array(fingerprints(folded), pa.uint64())]
    if options.near != "off":
        columns += _bands(folded, options)
    return pa.record_batch(columns, schema=signature_schema(options))


def _bands(folded: Folded, options: DeduplicateOptions) -> list[pa.Array]:
    """A column a band."""
    letters = np.flatnonzero(folded.kinds == LETTER)
    codes, bounds = folded.codes[letters], np.searchsorted(letters, folded.bounds)
    is_long = np.diff(bounds) >= options.near_characters
    is_alphabetic = _is_alphabetic(codes, bounds)
    bands = np.zeros((len(is_long), options.bands), dtype="<u8")
    for chosen, n in (
        (is_long & ~is_alphabetic, options.ngram),
        (is_long & is_alphabetic, options.alphabetic_ngram),
    ):
        if chosen.any():
            hashes, offsets = _ngrams(codes, bounds, chosen, n)
            bands[chosen] = _minima(hashes, offsets, options).astype("<u2").view("<u8")
    return [pa.array(band, mask=~is_long) for band in np.ascontiguousarray(bands.T)]


def _is_alphabetic(codes: NDArray[np.uint32], bounds: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which texts have hardly a Hanzi, kana or Hangul, bool, shape (D,)."""
    num_others = np.concatenate([[0], np.cumsum(codes >= _FIRST_CJK)])[bounds]
    is_alphabetic: NDArray[np.bool_] = np.diff(num_others) < _MIN_CJK_SHARE * np.diff(bounds)
    return is_alphabetic


def _ngrams(
    codes: NDArray[np.uint32], bounds: NDArray[np.int64], chosen: NDArray[np.bool_], n: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """A hash for every n-gram of the chosen texts, and where each of these begins and the last ends."""
    hashes = codes.astype(np.uint64)
    lengths = np.diff(bounds)
    is_whole = np.repeat(chosen, lengths)
    for shift in range(1, n):
        hashes[:-shift] = hashes[:-shift] * _MULTIPLIER + codes[shift:]
        is_whole[bounds[1:][chosen] - shift] = False
    hashes = hashes[is_whole]
    hashes = (hashes ^ (hashes >> _SHIFT)) * _MIXER
    hashes ^= hashes >> _SHIFT
    return hashes, np.concatenate([[0], np.cumsum(lengths[chosen] - (n - 1))]).astype(np.uint64)


def _minima(
    hashes: NDArray[np.uint64], offsets: NDArray[np.uint64], options: DeduplicateOptions
) -> NDArray[np.uint32]:
    """The minima of each text's n-grams under every permutation, uint32, shape (texts, permutations)."""
    rensa = require("rensa")
    minima = np.empty((len(offsets) - 1, options.permutations), dtype=np.uint32)
    for first in range(0, len(minima), _CHUNK):
        bounds = offsets[first : first + _CHUNK + 1]
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            hashes[int(bounds[0]) : int(bounds[-1])], bounds - bounds[0], options.permutations, options.seed
        )
        rows = chain.from_iterable(matrix.to_rows())
        count = (len(bounds) - 1) * options.permutations
        minima[first : first + _CHUNK] = np.fromiter(rows, np.uint32, count).reshape(-1, options.permutations)
    return minima
