"""A block of a raw file to records: what a worker begins with."""

from __future__ import annotations

from collections.abc import Iterator

from erya.corpus.read.block_text import text_of
from erya.corpus.read.blocks import Block
from erya.corpus.read.json_lines import json_records
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.parquet import parquet_records
from erya.corpus.read.plain_text import plain_records
from erya.corpus.read.record import RawRecord, RecordMaker
from erya.corpus.read.tables import table_records
from erya.corpus.read.tally import Problem, ReadTally
from erya.corpus.read.wiki import wiki_records

__all__ = ["Problem", "RawRecord", "ReadTally", "read_records"]


def read_records(block: Block, options: ReadOptions, tally: ReadTally) -> Iterator[RawRecord]:
    """The records of a block in order.

    Args:
        block: from `read_blocks`.
        options: which fields are wanted; as the block's file was found with.
        tally: counts records, those left out and what was mended; complete when all are read.
    """
    file = block.file
    maker = RecordMaker(file.source, is_pair=options.pair_field is not None, tally=tally)
    if file.format == "parquet":
        yield from parquet_records(block.data, maker=maker, tally=tally)
        return
    text = text_of(block.data, block.encoding, block.first_line, tally)
    if file.format == "text":
        yield from plain_records(text, block.first_line, file.unit, maker=maker)
    elif file.format == "wiki":
        yield from wiki_records(text, block.first_line, maker=maker, tally=tally)
    elif file.format == "jsonl":
        yield from json_records(text, block.first_line, options, maker=maker, tally=tally)
    else:
        assert file.columns is not None, "a table was found with its columns"
        yield from table_records(
            text,
            block.first_line,
            file.columns,
            file.format,
            names_first=block.number == 0 and not options.has_column_numbers,
            maker=maker,
            tally=tally,
        )
