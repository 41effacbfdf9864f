"""Raw files in units of work: small ones share a unit, large ones have several."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from erya.corpus.read import blocks as blocks_module
from erya.corpus.read import bundles as bundles_module
from erya.corpus.read.blocks import Block
from erya.corpus.read.bundles import WorkUnit, bundles, read_units
from erya.corpus.read.files import RawFile, find_files
from erya.errors import InputError

SMALL = 1000


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", SMALL)
    monkeypatch.setattr(bundles_module, "MAX_BUNDLE_FILES", 8)


def raw_files(sizes: Sequence[int]) -> list[RawFile]:
    return [
        RawFile(f"{number}.txt", number, "text", "line", "utf-8", size, f"{size}-1")
        for number, size in enumerate(sizes)
    ]


def numbers(sizes: Sequence[int]) -> list[list[int]]:
    return [[file.number for file in bundle.files] for bundle in bundles(raw_files(sizes))]


def units_of(folder: Path) -> list[list[WorkUnit]]:
    return [list(read_units(bundle)) for bundle in bundles(find_files([folder]))]


def lines(count: int, *, start: int = 0) -> bytes:
    return "".join(f"第{number:03d}行，我们的国家。\n" for number in range(start, start + count)).encode()


def test_files_share_a_bundle_while_they_are_small_and_few() -> None:
    assert numbers([400, 400, 200, 1]) == [[0, 1, 2], [3]]
    assert numbers([10, 5000, 10, 10]) == [[0], [1], [2, 3]], "a large file is alone"
    assert numbers([10, 0, 10]) == [[0], [1], [2]], "nobody knows how large a file is that does not say"
    assert numbers([1] * 20) == [[*range(8)], [*range(8, 16)], [*range(16, 20)]]
    assert numbers([]) == []


def test_a_changed_file_changes_the_name_of_its_bundle_alone() -> None:
    sizes = [300] * 40
    before = [bundle.name for bundle in bundles(raw_files(sizes))]
    assert len(set(before)) == len(before)
    assert before == [bundle.name for bundle in bundles(raw_files(sizes))]
    sizes[4] = 299
    after = [bundle.name for bundle in bundles(raw_files(sizes))]
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False] + [True] * 13


def test_what_follows_a_file_that_grew_comes_into_step_again() -> None:
    sizes = [300] * 40
    before = {bundle.name for bundle in bundles(raw_files(sizes))}
    sizes[1] = 600
    after = {bundle.name for bundle in bundles(raw_files(sizes))}
    assert {name[:7] for name in before - after} <= {"0000000", "0000003", "0000006"}


def test_small_files_share_a_unit_and_keep_their_own_blocks(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.txt").write_bytes(lines(2, start=number))
    ((unit,),) = units_of(tmp_path)
    assert [part.file.number for part in unit.parts] == [0, 1, 2, 3, 4]
    assert [(part.number, part.first_line, part.data) for part in unit.parts] == [
        (0, 1, lines(2, start=number)) for number in range(5)
    ]
    assert unit.stored_bytes == 5 * len(lines(2)) and (unit.bundle, unit.number) == (0, 0)


def test_a_small_file_that_unpacks_to_a_lot_is_several_units(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(lines(3))
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(lines(100) * 5))
    (tmp_path / "c.txt").write_bytes(lines(3))
    (units,) = units_of(tmp_path)
    assert [unit.number for unit in units] == list(range(len(units))) and len(units) > 10
    parts = [part for unit in units for part in unit.parts]
    assert b"".join(part.data for part in parts) == lines(3) + lines(100) * 5 + lines(3)
    places = [(part.file.number, part.number) for part in parts]
    assert places == sorted(set(places))
    # A block is cut where a document ends, which may be a bit later than wished.
    assert all(sum(part.text_bytes for part in unit.parts) < SMALL * 3 // 2 for unit in units)
    assert sum(unit.stored_bytes for unit in units) == sum(p.stat().st_size for p in tmp_path.iterdir())
    assert all(unit.stored_bytes >= 0 for unit in units)


def test_what_was_read_before_damage_is_given_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_bytes(lines(100))
    (bundle,) = bundles(find_files([tmp_path]))
    whole = list(blocks_module.read_blocks(bundle.files[0]))

    def damaged(file: RawFile) -> Iterator[Block]:
        yield from whole[:2]
        raise InputError("cannot read the file")

    monkeypatch.setattr(bundles_module, "read_blocks", damaged)
    units = read_units(bundle)
    assert [next(units).parts, next(units).parts] == [(whole[0],), (whole[1],)]
    with pytest.raises(InputError):
        next(units)
