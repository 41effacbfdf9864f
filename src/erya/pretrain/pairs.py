"""Sequences of two texts: consecutive ones, ones that do not belong together, translations of each other.

T tokens, D documents, Q sequences.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from erya.data.plan import Sequences, cut_sequences
from erya.pretrain.counter_random import draw, fractions, keys
from erya.runtime import generator

Pairing = Literal["none", "next", "order"]
"""Which pairs are to be told apart: the second text follows the first or not (`next`), the two stand in their
order or exchanged (`order`)."""

MIN_TOKENS = 4  # of a sequence
_TURN = 0x4E5B  # keeps this stream of random numbers apart from others with the same seed
_SWAP, _EXCHANGE, _PARALLEL = 2**32 - 3, 2**32 - 4, 2**32 - 5  # counters that no token has


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of Q sequences.

    Attributes:
        first: the first text of each, with what was left out.
        second_starts: first token of the second text, int64, shape (Q,).
        second_lengths: its tokens, 0 where there is none, int32, shape (Q,).
        documents: the document of the first text, int64, shape (Q,).
    """

    first: Sequences
    second_starts: NDArray[np.int64]
    second_lengths: NDArray[np.int32]
    documents: NDArray[np.int64]


def single(first: Sequences) -> Texts:
    """Sequences of one text; their documents are not known."""
    nothing = np.zeros(len(first), np.int64)
    return Texts(first, nothing, nothing.astype(np.int32), nothing)


def cut_pairs(
    sentence_ends: NDArray[np.int64], document_ends: NDArray[np.int64], *, max_tokens: int
) -> Texts:
    """Cut documents into pairs of consecutive texts, each of whole sentences and of half of `max_tokens`.

    Since no text has more than half, any first text can be put together with any second. A text that is left
    alone at the end of a document is cut in two after a sentence if it has several; else it stays alone.

    Args:
        sentence_ends: exclusive ends of sentences, ascending.
        document_ends: exclusive ends of documents, ascending, shape (D,); the last is T.
        max_tokens: most tokens of a pair, special tokens not counted.
    Source: Devlin et al. 2019, BERT, section 3.1, task 2.
    """
    found = cut_sequences(sentence_ends, document_ends, max_tokens=max_tokens // 2, min_tokens=MIN_TOKENS)
    starts, lengths = found.starts, found.lengths.astype(np.int64)
    stops = starts + lengths
    documents = np.searchsorted(document_ends, starts, side="right")
    follows = np.zeros(len(starts), bool)
    follows[1:] = (starts[1:] == stops[:-1]) & (documents[1:] == documents[:-1])
    runs = np.flatnonzero(~follows)
    place = np.arange(len(starts)) - np.repeat(runs, np.diff(runs, append=len(starts)))
    followed = np.append(follows[1:], False)
    is_pair, is_alone = (place % 2 == 0) & followed, (place % 2 == 0) & ~followed
    middles, ends = stops.copy(), stops.copy()
    ends[is_pair] = np.append(stops[1:], 0)[is_pair]
    middles[is_alone] = _sentence_end_near(sentence_ends, starts[is_alone], stops[is_alone])
    kept = is_pair | is_alone
    first = replace(found, starts=starts[kept], lengths=(middles - starts)[kept].astype(np.int32))
    return Texts(first, middles[kept], (ends - middles)[kept].astype(np.int32), documents[kept])


def _sentence_end_near(
    sentence_ends: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The end of a sentence nearest to the middle of each text and inside of it, or the text's end."""
    ends = np.concatenate([[-1], sentence_ends, [np.iinfo(np.int64).max]])
    middles = (starts + stops) // 2
    after = np.searchsorted(ends, middles)
    low, high = ends[after - 1], ends[after]
    nearer = (low > starts) & ((middles - low <= high - middles) | (high >= stops))
    return np.where(nearer, low, np.minimum(high, stops))


def exchange_seconds(texts: Texts, *, seed: int) -> tuple[Texts, NDArray[np.int64]]:
    """Give half of the pairs, drawn at random, a second text of another document.

    These exchange their second texts among themselves: every text stays there once, and a second text looks
    the same whether it follows or not. It is done once for all epochs, since it says how long sequences are.

    Returns:
        The sequences, and for each 0 if its second text follows, 1 if it does not, -1 if it has none, int64,
        shape (Q,). A pair that finds no other document follows.
    """
    is_pair = texts.second_lengths > 0
    labels = np.where(is_pair, 0, -1)
    drawn = np.flatnonzero(is_pair & (_chance(seed, 0, np.arange(len(is_pair)), _EXCHANGE) < 0.5))
    if len(drawn) < 2:
        return texts, labels
    rng = generator(_TURN, seed)
    # Documents in random order, the pairs of one side by side: a turn by the most that one has leaves none in
    # its own document, unless one has more than all others together.
    ranks = rng.permutation(int(texts.documents.max()) + 1)[texts.documents[drawn]]
    drawn = drawn[np.lexsort((rng.random(len(drawn)), ranks))]
    _, sizes = np.unique(ranks, return_counts=True)
    givers = np.roll(drawn, int(sizes.max()))
    apart = texts.documents[drawn] != texts.documents[givers]
    starts, lengths = texts.second_starts.copy(), texts.second_lengths.copy()
    starts[drawn], lengths[drawn] = texts.second_starts[givers], texts.second_lengths[givers]
    labels[drawn] = apart
    return replace(texts, second_starts=starts, second_lengths=lengths), labels


def swapped(seed: int, epoch: int, numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which sequences have their texts exchanged in `epoch`: half of them, shape (S,).

    Source: Lan et al. 2020, ALBERT, section 3.1 (sentence-order prediction).
    """
    return _chance(seed, epoch, numbers, _SWAP) < 0.5


def _chance(seed: int, epoch: int, numbers: NDArray[np.integer], counter: int) -> NDArray[np.float64]:
    return fractions(draw(keys(seed, epoch, numbers), np.full(len(numbers), counter)))


def set_parallel_apart(
    plain: Sequences,
    pair_starts: NDArray[np.int64],
    document_ends: NDArray[np.int64],
    *,
    max_tokens: int,
    share: float,
    seed: int,
) -> Texts:
    """Lay parallel pairs out as two texts, so that a model learns to look one up in the other.

    Args:
        plain: all documents as sequences of one text.
        pair_starts: where the second text of a document of two begins, ascending.
        document_ends: exclusive ends of documents, ascending, shape (D,).
        max_tokens: pairs with more, special tokens not counted, stay as they were.
        share: of the pairs, in [0, 1]; the others stay as they were.
        seed: of the draw.
    Source: Conneau & Lample 2019, Cross-lingual Language Model Pretraining, section 3.3.
    """
    documents = np.searchsorted(document_ends, pair_starts, side="right")
    starts = np.append(0, document_ends)[documents]
    stops = document_ends[documents]
    drawn = _chance(seed, 0, documents, _PARALLEL) < share
    # A document that fits is one sequence of `plain`, which the pair takes the place of.
    places = np.searchsorted(plain.starts, starts)
    inside = np.minimum(places, max(len(plain) - 1, 0))
    there = plain.starts[inside] == starts if len(plain) else np.zeros(len(starts), bool)
    taken = drawn & there & (stops - starts <= max_tokens)
    rows = inside[taken]
    first_lengths = plain.lengths.copy()
    seconds, second_lengths = np.zeros(len(plain), np.int64), np.zeros(len(plain), np.int32)
    first_lengths[rows] = (pair_starts - starts)[taken]
    seconds[rows], second_lengths[rows] = pair_starts[taken], (stops - pair_starts)[taken]
    pairs = single(replace(plain, lengths=first_lengths))
    return replace(pairs, second_starts=seconds, second_lengths=second_lengths)
