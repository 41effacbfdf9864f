"""Pieces of words of letters and digits, trained by `tokenizers`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from erya.tokenizer.spec import Rules

PREFIX = Rules().prefix


def both_forms(letters: Sequence[str]) -> list[str]:
    """Each letter as it begins a word and as it continues one."""
    return [form for letter in letters for form in (letter, PREFIX + letter)]


def train_pieces(
    runs: Counter[str], *, alphabet: list[str], num_pieces: int, min_frequency: int
) -> list[str]:
    """Train pieces of more than one character.

    Args:
        runs: words of letters and digits with how often they were met.
        alphabet: characters that pieces are made of; a word is cut at all others.
        num_pieces: how many pieces at most.
        min_frequency: how often a pair of pieces must be met to become one.
    Source: Schuster and Nakajima 2012, Japanese and Korean Voice Search; the library's trainer merges by
        frequency.
    """
    if num_pieces < 1 or not runs:
        return []
    # Named beforehand, single characters get the same ids in every run; the trainer breaks ties by id.
    known = sorted(both_forms(alphabet))
    trainer = trainers.WordPieceTrainer(
        vocab_size=len(known) + num_pieces,
        min_frequency=min_frequency,
        special_tokens=known,
        show_progress=False,
        continuing_subword_prefix=PREFIX,
    )
    model = tokenizers.Tokenizer(models.WordPiece())
    model.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    model.train_from_iterator(_repeated(runs, alphabet), trainer)
    trained = sorted(model.get_vocab().items(), key=lambda item: item[1])
    taken = set(known)
    return [piece for piece, _ in trained if piece not in taken][:num_pieces]


def _repeated(runs: Counter[str], alphabet: list[str]) -> Iterator[str]:
    """The words as often as they were met, in an order that does not depend on how they were met."""
    other = re.compile(f"[^{re.escape(''.join(alphabet))}]+")
    longest = Rules().max_word_length
    for run, count in sorted(runs.items()):
        words = [word[:longest] for word in other.sub(" ", run).split()]
        line = " ".join(words) + " "
        for done in range(0, count if words else 0, 10_000):
            yield line * min(10_000, count - done)
