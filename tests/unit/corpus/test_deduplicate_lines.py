"""Lines that many documents share."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erya.corpus.deduplicate.cluster import DUPLICATES
from erya.corpus.deduplicate.folding import fold
from erya.corpus.deduplicate.lines import LINES, line_batch, without_lines
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.deduplicate.repeated_lines import LineCounts, find_repeated_lines

NOTICE = "版权所有，未经许可不得转载本站任何内容。"


def test_only_long_lines_are_compared_and_space_and_script_do_not_count():
    options = DeduplicateOptions(min_line_characters=4)
    texts = ["一二三\n一 二 三 四\n\n發展中國", "", "发展 中国\n一二三四"]
    found = line_batch(np.array([7, 8, 9]), fold(texts), options).to_pydict()
    assert found["doc"] == [7, 7, 9, 9]
    assert found["line"] == [1, 3, 0, 1]
    assert found["hash"][0] == found["hash"][3] != found["hash"][1] == found["hash"][2]


@pytest.mark.parametrize("texts", [[], [""], ["", "短"]])
def test_without_lines_there_is_an_empty_batch(texts):
    batch = line_batch(np.arange(len(texts)), fold(texts), DeduplicateOptions())
    assert (batch.num_rows, batch.schema) == (0, LINES)


def test_lines_are_not_compared_when_they_are_not_dropped():
    assert line_batch(np.arange(1), fold([NOTICE]), DeduplicateOptions(lines="off")).num_rows == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "甲\n\n乙\n丙\n\n丁"),
        ([0], "乙\n丙\n\n丁"),
        ([2, 3], "甲\n\n丁"),
        ([5], "甲\n\n乙\n丙"),
        ([0, 2, 3, 5], ""),
    ],
)
def test_removing_lines_leaves_no_wide_gap(lines, expected):
    assert without_lines("甲\n\n乙\n丙\n\n丁", lines) == expected


def repeated(directory, texts, options, *, duplicates=(), files=1):
    docs = np.arange(len(texts)) * 3
    batch = line_batch(docs, fold(texts), options)
    paths = []
    for number, part in enumerate(np.array_split(np.arange(batch.num_rows), files)):
        paths.append(directory / f"lines-{number}.parquet")
        pq.write_table(pa.Table.from_batches([batch.take(pa.array(part))], LINES), paths[-1])
    known = directory / "duplicates.parquet"
    columns = ["doc", "first", "cluster", "similarity", "kind"]
    rows = [dict(zip(columns, row, strict=True)) for row in duplicates]
    pq.write_table(pa.Table.from_pylist(rows, DUPLICATES), known)
    out = directory / "repeated.parquet"
    counts = find_repeated_lines(
        paths[::-1], known, out, options, memory_bytes=1 << 28, threads=2, scratch=directory / "scratch"
    )
    found = pq.read_table(out).to_pydict()
    return list(zip(found["doc"], found["line"], strict=True)), counts


OPTIONS = DeduplicateOptions(line_documents=3)


def test_the_first_document_keeps_the_line(tmp_path):
    texts = [f"正文{number}\n{NOTICE}" for number in range(4)]
    found, counts = repeated(tmp_path, texts, OPTIONS, files=3)
    assert found == [(3, 1), (6, 1), (9, 1)]
    assert counts == LineCounts(lines=3, documents=3, distinct=1)


def test_a_line_must_stand_in_enough_documents_not_often_in_few(tmp_path):
    found, counts = repeated(tmp_path, [f"{NOTICE}\n{NOTICE}\n{NOTICE}", NOTICE], OPTIONS)
    assert (found, counts) == ([], LineCounts(0, 0, 0))


def test_every_occurrence_goes(tmp_path):
    found, counts = repeated(tmp_path, [NOTICE, f"{NOTICE}\n字\n{NOTICE}", NOTICE], OPTIONS)
    assert found == [(3, 0), (3, 2), (6, 0)]
    assert counts == LineCounts(lines=3, documents=2, distinct=1)


# Documents 0, 3 and 6 are a cluster; 9 and 12 stand alone.
CLUSTER = [(0, 0, 5, 1.0, "first"), (3, 0, 5, 0.8, "near"), (6, 0, 5, 1.0, "exact")]


def test_dropped_documents_do_not_count(tmp_path):
    texts = [NOTICE] * 4
    assert repeated(tmp_path, texts, OPTIONS, duplicates=CLUSTER)[0] == []
    assert repeated(tmp_path, [*texts, NOTICE], OPTIONS, duplicates=CLUSTER)[0] == [(9, 0), (12, 0)]


def test_what_marked_near_duplicates_share_counts_once_and_stays_in_all_of_the_first(tmp_path):
    options = DeduplicateOptions(line_documents=3, near="mark")
    assert repeated(tmp_path, [NOTICE] * 4, options, duplicates=CLUSTER)[0] == []
    assert repeated(tmp_path, [NOTICE] * 5, options, duplicates=CLUSTER)[0] == [(9, 0), (12, 0)]


def test_without_files_nothing_is_repeated(tmp_path):
    known, out = tmp_path / "duplicates.parquet", tmp_path / "repeated.parquet"
    pq.write_table(DUPLICATES.empty_table(), known)
    counts = find_repeated_lines(
        [], known, out, OPTIONS, memory_bytes=1 << 28, threads=1, scratch=tmp_path / "scratch"
    )
    assert counts == LineCounts(0, 0, 0)
    assert pq.read_table(out).num_rows == 0
