"""What the manifest of shards says about mixtures and about how the vocabulary fits."""

from __future__ import annotations

from erya.config import StrictModel


class KindCoverage(StrictModel):
    """What a vocabulary makes of one kind of characters.

    Attributes:
        characters: of this kind in the sample.
        tokens: that begin with one.
        unknown: how many of the characters are under [UNK].
    """

    characters: int
    tokens: int
    unknown: int


class ShardCoverage(StrictModel):
    """How the vocabulary fits the text, measured on a sample spread over all of it.

    Attributes:
        characters: in the sample, white space left out.
        tokens: they became.
        by_kind: the same by kind of character (`erya.text.kinds`).
        unknown_characters: the most frequent ones under [UNK], with their counts.
    """

    characters: int
    tokens: int
    by_kind: dict[str, KindCoverage]
    unknown_characters: tuple[tuple[str, int], ...]


class MixtureGroup(StrictModel):
    """One group of a mixture: how much of it was wanted, and how much came in. Training text only.

    Attributes:
        name: of the source, directory or script.
        weight: its weight as given; None for one of the rest, or where a temperature decides.
        wanted_share: of all characters, in [0, 1].
        share: of all characters in the shards, in [0, 1].
        repeats: how often a character of the group stands in the shards on average.
        documents, characters, tokens: in the shards, repeats counted each time.
        documents_there, characters_there: in the documents, each once.
    """

    name: str
    weight: float | None
    wanted_share: float
    share: float
    repeats: float
    documents: int
    characters: int
    tokens: int
    documents_there: int
    characters_there: int
