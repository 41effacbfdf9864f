"""Which shard holds what: decided before any work, so that it depends on nothing but the documents."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TypeVar

import pyarrow.compute as pc

from erya.corpus.engines.engine import Engine
from erya.corpus.job import Job, read_summary, write_summary
from erya.corpus.mixture import Mixture, MixtureOptions, Size, add_up, work_out
from erya.data.document_columns import read_batches
from erya.data.documents import RowGroup
from erya.data.splits import SPLITS, Split

Thing = TypeVar("Thing")

# Enough shards to go round many workers, none too small to be worth opening, none too large to do again.
_SHARDS, _LEAST_CHARACTERS, _MOST_CHARACTERS = 64, 4_000_000, 128_000_000
GROUPS = "groups.json"


@dataclass(frozen=True, slots=True)
class Portion:
    """One reading of a row group.

    Attributes:
        group: the row group.
        directory: the name of the documents directory it is of.
        copy: of its documents those are taken that stand in the text more often than this.
        characters: how many are to be expected.
    """

    group: RowGroup
    directory: str
    copy: int
    characters: int


@dataclass(frozen=True, slots=True)
class ShardUnit:
    """One shard: the unit of work."""

    name: str
    split: Split
    portions: tuple[Portion, ...]

    @property
    def characters(self) -> int:
        """How many are to be expected."""
        return sum(portion.characters for portion in self.portions)


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """All shards, and the mixture they are made by."""

    units: tuple[ShardUnit, ...]
    mixture: Mixture | None

    @property
    def characters(self) -> int:
        """How many are to be expected."""
        return sum(unit.characters for unit in self.units)


def plan_shards(
    groups: Sequence[tuple[str, RowGroup]],
    *,
    mixture: MixtureOptions | None,
    shard_characters: int | None,
    engine: Engine,
    job: Job,
) -> ShardPlan:
    """Plan the shards.

    Args:
        groups: every row group with the name of its directory, in order.
        mixture: what is wanted of each group of documents.
        shard_characters: a shard takes no further row group once it has so many; None: as the text is large.
        engine: where documents are counted by group, if a mixture asks for that.
        job: keeps these counts.
    Raises:
        ConfigError: the mixture cannot be made.
        InputError: a file of documents is damaged.
    """
    mixed = None
    training = [(name, group) for name, group in groups if group.split == "train"]
    portions = [Portion(group, name, 0, group.characters) for name, group in training]
    if mixture is not None:
        sizes = _sizes(training, mixture, engine=engine, job=job)
        mixed = work_out(mixture, add_up(sizes))
        portions = list(_mixed_portions(training, sizes, mixed))
    heldout = [Portion(group, name, 0, group.characters) for name, group in groups if group.split != "train"]
    total = sum(portion.characters for portion in [*portions, *heldout])
    enough = shard_characters or min(max(total // _SHARDS, _LEAST_CHARACTERS), _MOST_CHARACTERS)
    by_split: dict[Split, list[Portion]] = {"train": portions, "heldout": heldout}
    units = [unit for split in SPLITS for unit in _units(by_split[split], split, enough)]
    return ShardPlan(tuple(units), mixed)


def _mixed_portions(
    groups: Sequence[tuple[str, RowGroup]], sizes: Sequence[dict[str, Size]], mixture: Mixture
) -> Iterable[Portion]:
    """All first copies, then all second ones, ...: repeats of a document do not stand side by side."""
    for copy in range(mixture.most_copies):
        for (name, group), size in zip(groups, sizes, strict=True):
            expected = mixture.expected(size, copy=copy)
            if expected > 0:
                yield Portion(group, name, copy, max(round(expected), 1))


def _units(portions: Sequence[Portion], split: Split, enough: int) -> Iterable[ShardUnit]:
    waiting: list[Portion] = []
    characters = number = 0
    for portion in portions:
        waiting.append(portion)
        characters += portion.characters
        if characters >= enough:
            yield ShardUnit(f"{split}-{number:05d}", split, tuple(waiting))
            waiting, characters, number = [], 0, number + 1
    if waiting:
        yield ShardUnit(f"{split}-{number:05d}", split, tuple(waiting))


def _sizes(
    groups: Sequence[tuple[str, RowGroup]], options: MixtureOptions, *, engine: Engine, job: Job
) -> list[dict[str, Size]]:
    """What each row group holds of each group of the mixture."""
    if options.by == "directory":
        return [{name: Size(group.documents, group.characters)} for name, group in groups]
    path = job.directory / GROUPS
    summary = read_summary(path)
    if summary is None:
        counted: dict[int, dict[str, Size]] = {}
        numbered = [(number, group) for number, (_, group) in enumerate(groups)]
        with closing(engine.map(CountGroups(options.by), numbered, expand=one)) as results:
            for number, sizes in results:
                counted[number] = sizes
        ordered = [counted[number] for number in range(len(groups))]
        rows = [{name: asdict(size) for name, size in sizes.items()} for sizes in ordered]
        summary = {"row_groups": rows}
        write_summary(path, summary)
    return [{name: Size(**size) for name, size in row.items()} for row in summary["row_groups"]]


class CountGroups:
    """Counts the documents of a numbered row group by source or script; travels to worker processes."""

    def __init__(self, column: str) -> None:
        self._column = column

    def __call__(self, numbered: tuple[int, RowGroup]) -> tuple[int, dict[str, Size]]:
        """Gives the number again, and the sizes by name."""
        number, group = numbered
        documents, characters = Counter[str](), Counter[str]()
        for batch in read_batches(group, ["text", self._column]):
            names = batch[self._column].to_pylist()
            documents.update(names)
            for name, length in zip(names, pc.utf8_length(batch["text"]).to_pylist(), strict=True):
                characters[name] += length
        return number, {name: Size(count, characters[name]) for name, count in sorted(documents.items())}


def one(item: Thing) -> tuple[Thing]:
    """A source of one item: itself."""
    return (item,)
