"""Encoding: layout, spans, truncation, literals, decoding."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from tiny_tokenizers import PIECES, write_tokenizer

from erya.errors import ConfigError, InputError
from erya.tokenizer.runs import RunTable
from erya.tokenizer.sequences import CHUNK_CHARACTERS
from erya.tokenizer.wordpiece import Tokenizer


@pytest.fixture
def reference(tmp_path: Path) -> Tokenizer:
    return Tokenizer.open(write_tokenizer(tmp_path / "reference"))


@pytest.fixture
def native(tmp_path: Path) -> Tokenizer:
    return Tokenizer.open(write_tokenizer(tmp_path / "native", erya_mode="native"))


def names(tokenizer: Tokenizer, ids: np.ndarray) -> list[str]:
    return [tokenizer.vocab[id] for id in ids]


def test_a_text_becomes_ids_with_places(reference: Tokenizer) -> None:
    encoding = reference.encode("北京 ABé!")
    assert names(reference, encoding.ids) == ["[CLS]", "北", "京", "ab", "##e", "!", "[SEP]"]
    assert encoding.spans.tolist() == [[0, 0], [0, 1], [1, 2], [3, 5], [5, 6], [6, 7], [0, 0]]
    assert encoding.word_ids.tolist() == [-1, 0, 1, 2, 2, 3, -1]
    assert encoding.text_ids.tolist() == [-1, 0, 0, 0, 0, 0, -1]
    assert (encoding.ids.dtype, encoding.spans.dtype) == (np.int32, np.int32)
    assert (encoding.type_ids.dtype, encoding.text_ids.dtype) == (np.uint8, np.int8)


def test_reference_marks_what_it_drops_and_merges(reference: Tokenizer) -> None:
    pieces = reference.pieces("a\u200bb\u0301 中")
    assert names(reference, pieces.ids) == ["ab", "中"]
    assert pieces.spans.tolist() == [[0, 3], [5, 6]]


def test_a_pair_has_two_segments(reference: Tokenizer) -> None:
    encoding = reference.encode("中国", "人")
    assert names(reference, encoding.ids) == ["[CLS]", "中", "国", "[SEP]", "人", "[SEP]"]
    assert encoding.type_ids.tolist() == [0, 0, 0, 0, 1, 1]
    assert encoding.text_ids.tolist() == [-1, 0, 0, -1, 1, -1]
    assert encoding.spans.tolist()[4] == [0, 1]


@pytest.mark.parametrize(("max_length", "lost"), [(None, 0), (6, 0), (5, 1), (2, 4)])
def test_truncation_is_counted(reference: Tokenizer, max_length: int | None, lost: int) -> None:
    encoding = reference.encode("中国人民", max_length=max_length)
    assert encoding.truncated == lost
    assert len(encoding) == 6 - lost
    assert encoding.ids[-1] == reference.sep_id


def test_no_room_for_the_special_tokens_is_an_error(reference: Tokenizer) -> None:
    with pytest.raises(ConfigError, match="max_length is 2"):
        reference.encode("中", "国", max_length=2)
    with pytest.raises(ValueError, match="1 texts but 2"):
        reference.encode_batch(["中"], ["国", "人"])


def test_empty_texts_and_batches(reference: Tokenizer) -> None:
    assert reference.encode_batch([])[:] == []
    assert reference.encode("").ids.tolist() == [reference.cls_id, reference.sep_id]
    assert len(reference.pieces(" \u200b ").ids) == 0
    assert len(reference.flat_pieces([])) == 0


def test_a_batch_equals_its_texts_one_by_one(reference: Tokenizer) -> None:
    texts = ["中国ab1", "", "[MASK]人", "hello2 " * 30, "e" * 120, "民\u0301"]
    # Long enough for several passes of the fast path.
    texts = texts * 10 + ["北京。" * CHUNK_CHARACTERS] + texts
    for text, encoding in zip(texts, reference.encode_batch(texts), strict=True):
        alone = reference.encode(text)
        for field in ("ids", "type_ids", "spans", "text_ids", "word_ids"):
            assert np.array_equal(getattr(alone, field), getattr(encoding, field))


def test_special_tokens_written_in_the_text(native: Tokenizer) -> None:
    text = "中[MASK]国"
    assert native.pieces(text).spans.tolist() == [[0, 1], [1, 7], [7, 8]]
    assert native.pieces(text).ids[1] == native.mask_id
    literal = native.flat_pieces([text], literals=False)[0]
    assert native.mask_id not in literal.ids
    assert literal.spans.tolist()[:3] == [[0, 1], [1, 2], [2, 3]]


def test_native_covers_every_character_but_spaces(native: Tokenizer) -> None:
    text = "中\u200bab\x00x1 2\U0001f468\u200d\U0001f469𠀀"
    pieces = native.pieces(text)
    assert names(native, pieces.ids)[:5] == ["中", "[UNK]", "ab", "[UNK]", "[UNK]"]
    covered = sorted(place for start, end in pieces.spans.tolist() for place in range(start, end))
    assert covered == [place for place, char in enumerate(text) if char != " "]


def test_decoding_is_readable(reference: Tokenizer) -> None:
    assert reference.decode(reference.encode("中国 abe ab。 [MASK]").ids.tolist()) == "中国abe ab。[MASK]"
    with pytest.raises(InputError, match="outside of the vocabulary"):
        reference.decode([10_000])


def test_the_hash_tells_vocabulary_mode_and_rules_apart(tmp_path: Path) -> None:
    write = write_tokenizer
    hashes = {
        Tokenizer.open(write(tmp_path / "a")).hash,
        Tokenizer.open(write(tmp_path / "b", do_lower_case=False)).hash,
        Tokenizer.open(write(tmp_path / "c", erya_mode="native")).hash,
        Tokenizer.open(
            write(tmp_path / "d", pieces=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "中"])
        ).hash,
    }
    assert len(hashes) == 4
    assert Tokenizer.open(write(tmp_path / "e")).hash in hashes


def test_it_travels_to_other_processes(native: Tokenizer) -> None:
    again = pickle.loads(pickle.dumps(native))
    assert again.hash == native.hash
    assert again.encode("hello中").ids.tolist() == native.encode("hello中").ids.tolist()


def test_many_threads_share_it_while_it_forgets(native: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunTable, "MAX_RUNS", 16)
    texts = [f"ab{number}中" for number in range(300)]
    expected = [encoding.ids.tolist() for encoding in native.encode_batch(texts)]
    wrong: list[int] = []

    def work() -> None:
        for place, text in enumerate(texts):
            if native.encode(text).ids.tolist() != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize("pair", [None, "人\udfff民"])
def test_lone_surrogates_are_read_as_the_replacement_character(
    reference: Tokenizer, native: Tokenizer, pair: str | None
) -> None:
    for tokenizer in (reference, native):
        broken = tokenizer.encode("中\ud83dab\ud83d", pair)
        mended = tokenizer.encode("中\ufffdab\ufffd", pair and pair.replace("\udfff", "\ufffd"))
        assert broken.ids.tolist() == mended.ids.tolist()
        assert broken.spans.tolist() == mended.spans.tolist()
    assert native.pieces("中\ud83d国").spans.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert native.pieces("中\ud83d国").ids[1] == native.unk_id


def test_lone_surrogates_are_refused_with_their_place(native: Tokenizer) -> None:
    texts = ["中" * CHUNK_CHARACTERS, "国", "人\ud83d"]
    with pytest.raises(InputError, match=r"(?s)U\+D83D.*text 3, character 2"):
        native.encode_batch(texts, surrogates="error")
    with pytest.raises(InputError, match="second text 1, character 1"):
        native.encode("中", "\udc00", surrogates="error")
    with pytest.raises(InputError, match="text 3, character 2"):
        native.flat_pieces(texts, surrogates="error")
    assert native.encode("中\U0001f600", surrogates="error").ids[1] == native.pieces("中").ids[0]


def test_native_reads_full_width_letters_and_digits_as_narrow(native: Tokenizer) -> None:
    pieces = native.pieces("ＡＢ１２中ａ！")
    assert names(native, pieces.ids) == ["ab", "##1", "##2", "中", "a", "[UNK]"]
    assert pieces.spans.tolist() == [[0, 2], [2, 3], [3, 4], [4, 5], [5, 6], [6, 7]]


def test_a_batch_is_a_sequence_of_encodings(reference: Tokenizer) -> None:
    batch = reference.encode_batch(["中", "", "国人"], max_length=3)
    assert [len(encoding) for encoding in batch] == [3, 2, 3]
    assert batch[-1].truncated == 1 and batch[-1].ids.tolist() == batch[2].ids.tolist()
    assert [encoding.ids.tolist() for encoding in batch[1:]] == [batch[1].ids.tolist(), batch[2].ids.tolist()]
    with pytest.raises(IndexError):
        batch[3]


def test_an_empty_line_of_a_vocabulary_is_a_piece_without_text(tmp_path: Path) -> None:
    opened = Tokenizer.open(write_tokenizer(tmp_path / "gap", [*PIECES, "", "world"]))
    empty = len(PIECES)
    assert opened.decode([empty - 1, empty, empty + 1]) == "hello world"
