"""Documents come back as they were written, by split and by row group."""

import numpy as np
import pytest
from document_batches import to_batch
from hypothesis import given
from hypothesis import strategies as st

from erya.data import documents
from erya.data.documents import (
    Document,
    DocumentsWriter,
    pack_bits,
    read_documents,
    read_manifest,
    read_row_group,
    row_groups,
    unpack_bits,
    write_manifest,
)
from erya.errors import InputError


def document(number, split="train", title=None):
    text = "我们😀" * (number % 7) + f"第{number}篇𠮷。"
    bits = np.random.default_rng(number).random((2, len(text))) < 0.5
    pair_start = 2 if number % 7 > 1 else None
    script = "traditional" if number % 2 else "mixed"
    return Document(text, f"s{number % 3}", title, *bits, 2**64 - 1 - number, split, pair_start, script)


def write(directory, items, *, volumes=1):
    parts = []
    for number in range(volumes):
        writer = DocumentsWriter(directory, number=number)
        for item in items[number * len(items) // volumes : (number + 1) * len(items) // volumes]:
            writer.write(to_batch([item]))
        parts += writer.finish()
    return write_manifest(directory, parts, report={"kept": len(items)})


def same(left, right):
    return (
        (left.text, left.source, left.title, left.cluster, left.split, left.pair_start, left.script)
        == (right.text, right.source, right.title, right.cluster, right.split, right.pair_start, right.script)
        and np.array_equal(left.word_starts, right.word_starts)
        and np.array_equal(left.sentence_ends, right.sentence_ends)
    )


@given(st.lists(st.booleans()))
def test_bits_round_trip(values):
    bits = np.array(values, dtype=bool)
    assert len(pack_bits(bits)) == (len(values) + 7) // 8
    assert unpack_bits(pack_bits(bits), len(values)).tolist() == values


def test_round_trip_over_several_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROW_GROUP_CHARACTERS", 100)
    items = [document(n, "heldout" if n % 5 == 0 else "train", "题" if n % 2 else None) for n in range(80)]
    written = write(tmp_path, items, volumes=4)
    assert read_manifest(tmp_path) == written and written.report == {"kept": 80}
    assert len(written.parts) == 8
    for split in ("train", "heldout"):
        expected = [item for item in items if item.split == split]
        found = list(read_documents(tmp_path, split=split))
        assert len(found) == len(expected) == written.num_documents(split)
        assert all(map(same, found, expected))
        assert written.num_characters(split) == sum(len(item.text) for item in expected)
    assert len(list(read_documents(tmp_path))) == 80


def test_row_groups_say_what_they_hold(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "ROW_GROUP_CHARACTERS", 50)
    write(tmp_path, [document(n) for n in range(40)])
    groups = row_groups(tmp_path, split="train")
    assert len(groups) > 5
    for group in groups:
        found = list(read_row_group(group))
        assert len(found) == group.documents
        assert sum(len(item.text) for item in found) == group.characters


def test_an_unfinished_writer_leaves_no_part(tmp_path):
    writer = DocumentsWriter(tmp_path)
    writer.write(to_batch([document(1)]))
    writer.close()
    assert not list(tmp_path.glob("*.parquet"))


def test_no_document_is_fine_for_a_split(tmp_path):
    write(tmp_path, [document(1)])
    assert list(read_documents(tmp_path, split="heldout")) == []


def test_bad_directories(tmp_path):
    with pytest.raises(InputError, match="not a documents directory"):
        list(read_documents(tmp_path))
    write(tmp_path, [document(1)])
    with pytest.raises(InputError, match="unknown split"):
        row_groups(tmp_path, split="dev")
    part = tmp_path / "train-00000.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputError, match="cannot read") as caught:
        list(read_documents(tmp_path))
    assert caught.value.where == str(part)
    part.unlink()
    with pytest.raises(InputError, match="cannot read"):
        list(read_documents(tmp_path))
    (tmp_path / "documents.json").write_text('{"format_version": 9, "parts": []}')
    with pytest.raises(InputError, match="damaged or foreign"):
        read_manifest(tmp_path)
