"""Mixtures: how often documents of each source, directory or script stand in the training text.

G groups, D documents. Held-out text is never repeated and never left out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.corpus.draws import is_drawn
from erya.errors import ConfigError, nearest_hint

REST = "*"
# More repeats of one document than that teach it by heart; most often a weight is mistyped.
MAX_REPEATS = 1000


class MixtureOptions(StrictModel):
    """What the training text is made of. Give either weights or a temperature.

    Attributes:
        by: what makes a group: the documents' source, the directory they lie in, or their script.
        weights: wanted shares of the characters, relative to each other. `*` is the weight of all groups
            not named together, which share it by size. A weight of 0 leaves a group out.
        temperature: groups get shares proportional to size ** (1 / temperature): 1 leaves them as they are,
            larger ones bring them nearer to each other.
        size: characters wanted in all; None: as many as there are.
        seed: of the draw of documents that stand there once more or less than others of their group.

    Source: Lample and Conneau 2019, Cross-lingual Language Model Pretraining, section 3.1 (exponent 0.5 to
        0.7, that is a temperature of 2 to 1.43); Devlin 2018, multilingual BERT (exponent 0.7).
    """

    by: Literal["source", "directory", "script"]
    weights: dict[str, float] = Field(default_factory=dict)
    temperature: float | None = Field(None, gt=0)
    size: int | None = Field(None, gt=0)
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.weights) == (self.temperature is not None):
            raise ValueError("a mixture has either weights or a temperature")
        if self.weights and (min(self.weights.values()) < 0 or not max(self.weights.values())):
            raise ValueError("weights are positive, or 0 to leave a group out")
        return self


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of something."""

    documents: int
    characters: int


def add_up(sizes: Iterable[Mapping[str, Size]]) -> dict[str, Size]:
    """The sizes of all groups together, by name in order."""
    total: dict[str, Size] = {}
    for part in sizes:
        for name, size in part.items():
            before = total.get(name, Size(0, 0))
            total[name] = Size(before.documents + size.documents, before.characters + size.characters)
    return dict(sorted(total.items()))


@dataclass(frozen=True, slots=True)
class Mixture:
    """Options worked out for documents of known sizes. Pickles.

    Attributes:
        options: as given.
        sizes: what there is of each group.
        wanted: the wanted share of each group, in [0, 1]; they add up to 1.
        repeats: how often each group is wanted, on average over its characters.
    """

    options: MixtureOptions
    sizes: dict[str, Size]
    wanted: dict[str, float]
    repeats: dict[str, float]

    @property
    def most_copies(self) -> int:
        """The most copies any document may have."""
        return max(math.ceil(times) for times in self.repeats.values())

    def expected(self, sizes: Mapping[str, Size], *, copy: int) -> float:
        """How many characters of some documents are to be expected in the pass `copy`, from 0."""
        return sum(
            size.characters * min(max(self.repeats[name] - copy, 0.0), 1.0) for name, size in sizes.items()
        )

    def has_copy(self, names: list[str], clusters: NDArray[np.uint64], *, copy: int) -> NDArray[np.bool_]:
        """Which documents stand in the pass `copy`, from 0.

        A document of a group wanted 2.3 times stands in the passes 0 and 1, and with probability 0.3 in
        the pass 2; the draw depends on its cluster and the seed alone.

        Args:
            names: the group of each document, D of them.
            clusters: uint64, shape (D,).
            copy: the pass.
        Returns:
            bool, shape (D,).
        """
        repeats = np.fromiter(map(self.repeats.__getitem__, names), dtype=np.float64, count=len(names))
        return is_drawn(clusters ^ _key(self.options.seed), np.clip(repeats - copy, 0, 1))


def work_out(options: MixtureOptions, sizes: Mapping[str, Size]) -> Mixture:
    """How often each group has to stand in the text.

    Args:
        options: what is wanted.
        sizes: what there is in the training split, by group.
    Raises:
        ConfigError: a weight names no group, a group has no weight, or documents would be repeated absurdly
            often.
    """
    present = {name: size for name, size in sizes.items() if size.characters}
    if not present:
        raise ConfigError("there is no training text to mix")
    wanted = _by_weight(options, present) if options.weights else _by_temperature(options, present)
    everything = sum(size.characters for size in present.values())
    total = options.size or everything
    # Rounded, or one group in seven that is wanted once is wanted 1.0000000000000002 times: another pass.
    repeats = {name: round(share * total / present[name].characters, 9) for name, share in wanted.items()}
    most = max(repeats, key=repeats.__getitem__)
    if repeats[most] > MAX_REPEATS:
        raise ConfigError(
            f"the {options.by} {most!r} would stand there {repeats[most]:,.0f} times: it has only"
            f" {present[most].characters:,} characters",
            hint=f"lower its weight or the size; {MAX_REPEATS:,} repeats are allowed",
        )
    return Mixture(options, dict(present), wanted, repeats)


def _by_temperature(options: MixtureOptions, sizes: Mapping[str, Size]) -> dict[str, float]:
    assert options.temperature is not None, "a mixture has either weights or a temperature"
    # Measured by the largest, which keeps a share however low the temperature.
    largest = max(size.characters for size in sizes.values())
    powers = {name: (size.characters / largest) ** (1 / options.temperature) for name, size in sizes.items()}
    total = sum(powers.values())
    return {name: power / total for name, power in powers.items()}


def _by_weight(options: MixtureOptions, sizes: Mapping[str, Size]) -> dict[str, float]:
    named = {name: weight for name, weight in options.weights.items() if name != REST}
    for name in named:
        if name not in sizes:
            raise ConfigError(
                f"a weight for the {options.by} {name!r}, and there is no such training text",
                hint=nearest_hint(name, sizes),
            )
    rest = [name for name in sizes if name not in named]
    if rest and REST not in options.weights:
        raise ConfigError(
            f"no weight for the {options.by} "
            + ", ".join(map(repr, rest[:10]))
            + ("..." if rest[10:] else ""),
            hint=f"name it, or give the rest a weight as {REST!r} (0 leaves it out)",
        )
    of_rest = sum(sizes[name].characters for name in rest)
    shares = dict(named)
    shares |= {name: options.weights[REST] * sizes[name].characters / of_rest for name in rest}
    total = sum(shares.values())
    if not total:
        raise ConfigError("the weights leave nothing over", hint="give a group there is a weight above 0")
    return {name: shares[name] / total for name in sizes}


def _key(seed: int) -> np.uint64:
    digest = hashlib.blake2b(f"mixture {seed}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))
