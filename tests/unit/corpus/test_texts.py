"""What a vocabulary is trained on: documents by their split, raw files with a few texts held out."""

import json

import pytest
from small_corpora import make_documents

from erya.corpus import texts
from erya.corpus.texts import open_texts
from erya.data.documents import read_documents
from erya.errors import InputError

LINES = [f"第{n}行，这是我们的国家。" for n in range(500)]


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return path


def test_documents_give_their_splits(raw, tmp_path):
    out = tmp_path / "documents"
    make_documents([raw], out, heldout=0.1)
    told = []
    source = open_texts([out, out], field="text", on_progress=lambda *values: told.append(values))
    for split, found in (("train", list(source.train())), ("heldout", list(source.heldout()))):
        assert found == 2 * [document.text for document in read_documents(out, split=split)] != []
    done, total, text_bytes = told[-1]
    assert done == total == 2 * len("".join(LINES)) and text_bytes == 2 * len("".join(LINES).encode())
    assert source.problems == ()


def test_of_raw_files_a_few_texts_are_held_out(raw, monkeypatch):
    source = open_texts([raw], field="text", on_progress=lambda *values: None)
    train, heldout = list(source.train()), list(source.heldout())
    assert sorted(train + heldout) == sorted(LINES)
    assert 1 <= len(heldout) <= 30
    monkeypatch.setattr(texts, "_HELD_OUT_CHARACTERS", 1)
    source = open_texts([raw], field="text", on_progress=lambda *values: None)
    train = list(source.train())
    assert len(list(source.heldout())) == 1 and len(train) == len(LINES) - 1


def test_what_cannot_be_read_is_shown_and_counted(tmp_path):
    path = tmp_path / "raw.jsonl"
    good = json.dumps({"body": "我们的国家"}, ensure_ascii=False)
    path.write_bytes(("nothing\n" * 40 + f"{good}\n" * 2).encode() + b'{"body": "\xff"}\n')
    source = open_texts([path], field="body", on_progress=lambda *values: None)
    assert len(list(source.train()) + list(source.heldout())) == 3
    assert {
        f"{path}, line 1: not a JSON object",
        f"{path}, line 43: bad bytes (1 from byte 11 of the line)",
    } <= set(source.problems)
    assert source.problems[-2:] == ["not a JSON object: 40 in all", "bad bytes: 1 in all"]


def test_what_is_refused(raw, tmp_path):
    out = tmp_path / "documents"
    make_documents([raw], out)
    with pytest.raises(InputError, match="cannot be mixed") as caught:
        open_texts([out, raw], field="text", on_progress=lambda *values: None)
    assert caught.value.where == str(raw)
    path = tmp_path / "raw.jsonl"
    path.write_text('broken\n{"content": "好"}\n', encoding="utf-8")
    source = open_texts([path], field="contents", on_progress=lambda *values: None)
    with pytest.raises(InputError, match="no record has text in the field 'contents'") as caught:
        list(source.train())
    assert "did you mean 'content'" in str(caught.value.hint)
