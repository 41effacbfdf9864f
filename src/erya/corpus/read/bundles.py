"""Raw files in units of work: small files share one, a large file makes several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from erya.corpus.read import blocks
from erya.corpus.read.blocks import Block, read_blocks
from erya.corpus.read.files import RawFile

MAX_BUNDLE_FILES = 4096


@dataclass(frozen=True, slots=True)
class Bundle:
    """Some consecutive raw files that are read one after the other; a large file is alone in its bundle.

    Attributes:
        files: the files, one at least.
        name: tells the files, at their place among all, from every others and from their own past.
    """

    files: tuple[RawFile, ...]
    name: str

    @property
    def first_file(self) -> int:
        """The number of its first file."""
        return self.files[0].number


@dataclass(frozen=True, slots=True)
class WorkUnit:
    """What a worker takes at a time: some whole documents, about 4 MiB.

    Attributes:
        bundle: the number of the first file of its bundle; `folder` is the bundle's name.
        number: of the unit, from 0, within the bundle.
        parts: blocks of the bundle's files, in order, one at least.
        stored_bytes: how many bytes of the files, as they are stored, were read for it.
    """

    bundle: int
    folder: str
    number: int
    parts: tuple[Block, ...]
    stored_bytes: int


def bundles(files: Sequence[RawFile]) -> Iterator[Bundle]:
    """All files in bundles; the same ones each time, as long as the files stay the same.

    Of files that change, their own bundle changes, and at most those that follow it up to the next file
    whose number is a multiple of 4,096.

    Args:
        files: what `find_files` found.
    """
    held: list[RawFile] = []
    num_bytes = 0
    for file in files:
        # A URL may not tell its size.
        size = file.size or blocks.BLOCK_BYTES
        if held and (num_bytes + size > blocks.BLOCK_BYTES or file.number % MAX_BUNDLE_FILES == 0):
            yield _bundle(held)
            held, num_bytes = [], 0
        held.append(file)
        num_bytes += size
    if held:
        yield _bundle(held)


def _bundle(files: Sequence[RawFile]) -> Bundle:
    said = repr([(file.path, file.stamp, file.format, file.encoding, file.unit) for file in files])
    return Bundle(tuple(files), f"{files[0].number:07d}-{hashlib.sha256(said.encode()).hexdigest()[:12]}")


def read_units(bundle: Bundle) -> Iterator[WorkUnit]:
    """The bundle in units, in order; the same ones each time, as long as its files stay the same.

    Args:
        bundle: some files.
    Raises:
        InputError: a file cannot be read to its end; what was read for the unit it would be in is lost.
    """
    gathering = _Gathering(bundle)
    before = 0
    for file in bundle.files:
        for block in read_blocks(file):
            if not gathering.has_room(block):
                yield gathering.unit()
            gathering.add(block, before + block.position)
            # Not kept until there is more: what is read next may be an error.
            if gathering.is_full:
                yield gathering.unit()
        before += file.size
    if gathering.parts:
        yield gathering.unit()


class _Gathering:
    """The unit that is being read. Of the bundle, `_told` bytes are in units already, `_read` are read."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle, self._number = bundle, 0
        self.parts: list[Block] = []
        self._num_bytes = self._read = self._told = 0

    @property
    def is_full(self) -> bool:
        return self._num_bytes >= blocks.BLOCK_BYTES * 3 // 4

    def has_room(self, block: Block) -> bool:
        return not self.parts or self._num_bytes + block.text_bytes <= blocks.BLOCK_BYTES

    def add(self, block: Block, read: int) -> None:
        self.parts.append(block)
        self._num_bytes += block.text_bytes
        self._read = read

    def unit(self) -> WorkUnit:
        bundle, stored_bytes = self._bundle, self._read - self._told
        made = WorkUnit(bundle.first_file, bundle.name, self._number, tuple(self.parts), stored_bytes)
        self.parts, self._num_bytes, self._told = [], 0, self._read
        self._number += 1
        return made
