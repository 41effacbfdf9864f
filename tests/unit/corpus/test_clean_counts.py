"""What units counted adds up to the same in any order, and to no more than a few numbers a unit."""

from __future__ import annotations

import copy
import json
import pickle
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from erya.corpus.clean_counts import CleanCounts
from erya.corpus.clean_report import CleanReport
from erya.corpus.deduplicate.cluster import DuplicateCounts
from erya.corpus.places import doc_number
from erya.corpus.read.bundles import Bundle
from erya.corpus.read.files import RawFile
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import LENGTH_EDGES, BlockSummary, VolumeSummary, kind_of
from erya.corpus.unfinished import UnfinishedUnits
from erya.corpus.unit_table import UnitLog, UnitRange, UnitTable, Volume

FILES = [RawFile(f"{n}.txt", n, "text", "line", "utf-8", 100, "1") for n in range(50)]
# Bundles of ten files; units have a block of each of two files.
BUNDLES = [Bundle(tuple(FILES[n : n + 10]), f"{n:07d}-name") for n in range(0, 50, 10)]
DUPLICATES = DuplicateCounts(exact=1, near=0, clusters=1, sizes={2: 1})
KINDS = ["bad bytes", "NUL bytes", "broken", "read as big5", "no text", "no end", "a", "b", "c"]


def block(
    bundle: int, number: int, *, kinds: Sequence[str] = (), reasons: Sequence[str] = ()
) -> BlockSummary:
    first_file = bundle + min(number // 4 * 2, 8)
    summary = BlockSummary(bundle, number, first_file, number, 100, 300)
    summary.count_records(first_file, 5)
    summary.count_records(first_file + 1, 7)
    summary.documents, summary.characters = 10, 1000 + number
    for place, reason in enumerate(reasons):
        summary.dropped[reason] += 1
        summary.note_sample(reason, f"{bundle}.{number}.txt, line {place}", "文" * 150)
    for place, kind in enumerate(kinds):
        summary.noted[kind] += 1
        summary.note_problem(f"{bundle}.{number}.txt, line {place}", f"{kind} ({place} from byte 3)")
    summary.lengths_kept = summary.lengths_dropped = [1] * (len(LENGTH_EDGES) - 1)
    summary.seconds = Counter({"read and clean": 0.5, "filter": 0.25})  # type: ignore[dict-item]
    return summary


def volume(number: int) -> VolumeSummary:
    summary = VolumeSummary(number, documents=4, heldout=1, characters=400, characters_read=500)
    summary.dropped["exact duplicate"] = summary.dropped_characters["exact duplicate"] = 1
    summary.documents_by_file[str(number % 50)] = 4
    summary.documents_by_source[f"s{number % 3}"] = 4
    summary.characters_by_source[f"s{number % 3}"] = 400
    summary.lengths = [1] * (len(LENGTH_EDGES) - 1)
    summary.seconds = Counter({"write": 0.25})  # type: ignore[dict-item]
    summary.parts = [
        {"file": f"train-{number:05d}.parquet", "split": "train", "documents": [4], "characters": [400]}
    ]
    return summary


def some_blocks(rng: random.Random) -> list[BlockSummary]:
    return [
        block(bundle.first_file, n, kinds=rng.choices(KINDS, k=3), reasons=rng.choices("xyz", k=3))
        for bundle in BUNDLES
        for n in range(20)
    ]


def report_of(blocks: Iterable[BlockSummary], volumes: Iterable[VolumeSummary]) -> CleanReport:
    counts = CleanCounts(len(FILES))
    for each in blocks:
        counts.add_block(each)
    for written in volumes:
        counts.add_volume(written)
    return counts.finish(FILES, CorpusRecipe(), DUPLICATES)


def first_problems(blocks: Iterable[BlockSummary]) -> list[str]:
    """Five of each kind and forty in all, in order: as one would do it with all of them at hand."""
    found: list[str] = []
    for problem in (problem for each in blocks for problem in each.problems):
        if sum(kind_of(other) == kind_of(problem) for other in found) < 5 and len(found) < 40:
            found.append(problem)
    return found


def test_the_order_of_the_units_does_not_matter() -> None:
    rng = random.Random(3)
    blocks, volumes = some_blocks(rng), [volume(n) for n in range(30)]
    report = report_of(blocks, volumes)
    assert report.problems == first_problems(blocks) and len(report.problems) == 40
    for reason, samples in report.samples.items():
        assert samples == [sample for each in blocks for sample in each.samples.get(reason, [])][:3]
    assert report.records == 1200 and report.kept == 120 and report.raw_bytes == 30_000
    assert [(file["records"], file["kept"]) for file in report.files[:3]] == [(20, 4), (28, 4), (20, 4)]
    assert report.sources == {f"s{n}": {"documents": 40, "characters": 4000} for n in range(3)}
    assert report.lengths["kept"] == [30] * 15 and report.lengths["dropped"] == [170] * 15
    expected = json.dumps(report.as_dict(), ensure_ascii=False)
    for _ in range(5):
        rng.shuffle(blocks)
        rng.shuffle(volumes)
        # Those that were done before come from the disk.
        revived = [BlockSummary.from_dict(json.loads(json.dumps(each.as_dict()))) for each in blocks]
        assert json.dumps(report_of(revived, volumes).as_dict(), ensure_ascii=False) == expected


def test_the_parts_come_in_order() -> None:
    counts = CleanCounts(len(FILES))
    for number in (3, 0, 2, 1):
        counts.add_volume(volume(number))
    assert [part.file for part in counts.parts] == [f"train-{n:05d}.parquet" for n in range(4)]


def test_a_report_lists_no_more_than_one_reads() -> None:
    names = [f"{n:04d}" for n in range(1200)]
    files = [RawFile(f"{name}.txt", n, "text", "line", "utf-8", 9, "1") for n, name in enumerate(names)]
    counts = CleanCounts(len(files))
    for part in (names[:700], names[700:], names[-3:]):
        counts.add_volume(
            VolumeSummary(
                0,
                documents_by_file=Counter(str(int(name)) for name in part),
                documents_by_source=Counter(part),
                characters_by_source=Counter(dict.fromkeys(part, 10)),
            )
        )
    report = counts.finish(files, CorpusRecipe(), DUPLICATES)
    assert report.num_files == 1200 and [file["path"][:4] for file in report.files] == names[:1000]
    sources = list(report.sources.items())
    assert sources[0] == ("1197", {"documents": 2, "characters": 20}) and len(sources) == 1001
    assert sources[3] == ("0000", {"documents": 1, "characters": 10})
    assert sources[-1] == ("200 others", {"documents": 200, "characters": 2000})


def test_what_is_held_of_a_unit_is_a_few_numbers() -> None:
    units = 20_000
    counts, log = CleanCounts(len(FILES)), UnitLog()
    usual = block(0, 0, kinds=KINDS * 2, reasons="xyz" * 2)
    for number in range(units):
        summary = replace(usual, number=number, first_block=number, samples=copy.deepcopy(usual.samples))
        counts.add_block(summary)
        log.add(summary)
    for number in range(units // 40):
        counts.add_volume(volume(number))
    reader = UnfinishedUnits(Path("blocks"), log.keys())
    table = log.in_order(BUNDLES, Path("blocks"))
    assert len(pickle.dumps((counts, log))) < 1_000_000 + 64 * units
    assert len(pickle.dumps(reader)) < 10_000 + 8 * units
    volumes = list(table.volumes(40_000))
    assert len(volumes) > 300 and len(pickle.dumps(volumes)) < 10_000 + 4 * units


def table_of(blocks: Iterable[BlockSummary]) -> UnitTable:
    log = UnitLog()
    for each in blocks:
        log.add(each)
    return log.in_order(BUNDLES, Path("blocks"))


def test_units_are_in_order_and_found_by_their_documents() -> None:
    blocks = some_blocks(random.Random(3))
    random.Random(4).shuffle(blocks)
    table = table_of(blocks)
    names = [f"blocks/{bundle.name}/{n:06d}" for bundle in BUNDLES for n in range(20)]
    assert list(map(str, table.paths("lines"))) == [f"{name}.lines.parquet" for name in names]
    assert list(map(str, table.paths("signatures")[3:5])) == [f"{n}.signatures.parquet" for n in names[3:5]]
    for each in blocks:
        wanted = f"blocks/{each.bundle:07d}-name/{each.number:06d}.texts.parquet"
        for record in (0, 99):
            assert str(table.unit_of(doc_number(each.first_file, each.first_block, record)).texts) == wanted


def unit(bundle: int, number: int, characters: int) -> BlockSummary:
    return BlockSummary(bundle, number, bundle, number, 1, 1, characters=characters)


def test_volumes_are_ranges_of_units_whatever_bundles_they_are_of() -> None:
    sizes = {(0, 0): 5, (0, 1): 5, (0, 2): 1, (10, 0): 1, (20, 0): 3, (20, 1): 0, (20, 2): 99, (30, 0): 2}
    table = table_of(unit(*place, size) for place, size in reversed(sizes.items()))
    a, b, c, d = (bundle.name for bundle in BUNDLES[:4])
    assert table.characters == 116
    assert list(table.volumes(10)) == [
        Volume(0, (UnitRange(a, 0, 1),)),
        Volume(1, (UnitRange(a, 2, 2), UnitRange(b, 0, 0), UnitRange(c, 0, 2))),
        Volume(2, (UnitRange(d, 0, 0),)),
    ]
    assert list(table_of([]).volumes(10)) == []


def test_keys_tell_units_that_are_done() -> None:
    log = UnitLog()
    for bundle, number in ((20, 1), (0, 2), (0, 0)):
        log.add(unit(bundle, number, 1))
    keys = log.keys()
    assert keys.dtype == np.int64 and keys.tolist() == [0, 2, (20 << 32) + 1]
