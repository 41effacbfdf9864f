"""Documents to shards: boundaries on the right tokens, the same with any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from document_batches import to_batch

from erya.corpus.tokenize import mark_boundaries, tokenize_corpus
from erya.data.documents import Document, DocumentsWriter, write_manifest
from erya.data.shards import Shards
from erya.data.splits import Split
from erya.errors import InputError, StorageError
from erya.tokenizer.spec import SPECIAL_TOKENS, AddedToken, Mode, Rules, TokenizerSpec
from erya.tokenizer.wordpiece import Tokenizer

PIECES = (*SPECIAL_TOKENS, *"我爱北京天安门。你好", *"abc", "##a", "##b", "##c", "ab", "ᄒ", "##ᅡ", "##ᆫ")


def document(marked: str, *, split: Split = "train") -> Document:
    """`|` stands before each word, `/` behind each sentence."""
    text = marked.replace("|", "").replace("/", "")
    starts, ends = np.zeros(len(text), dtype=bool), np.zeros(len(text), dtype=bool)
    place = 0
    for char in marked:
        if char == "|":
            starts[place] = True
        elif char == "/":
            ends[place - 1] = True
        else:
            place += 1
    return Document(text, "test", None, starts, ends, hash(text) % 1000, split)


def tokenizer(mode: Mode) -> Tokenizer:
    native = mode == "native"
    added = tuple(AddedToken(name, id) for id, name in enumerate(SPECIAL_TOKENS))
    rules = Rules(strip_accents=not native, clean=not native)
    return Tokenizer(TokenizerSpec(mode, rules, PIECES, added))


def marked_again(opened: Tokenizer, documents: Sequence[Document]) -> list[str]:
    """The tokens of the documents with the marks they got."""
    pieces = opened.flat_pieces([document.text for document in documents], literals=False)
    (starts, sentences, ends), _ = mark_boundaries(pieces, documents)
    out, text = [], ""
    for id, start, sentence, end in zip(pieces.ids, starts, sentences, ends, strict=True):
        text += ("|" if start else "") + opened.vocab[id] + ("/" if sentence else "")
        if end:
            out.append(text)
            text = ""
    assert not text
    return out


@pytest.mark.parametrize(
    ("mode", "marked", "expected"),
    [
        ("native", "|我|爱|北京|。/|你好/", "|我|爱|北京|。/|你好/"),
        ("native", "|abc|你/", "|ab##c|你/"),
        # A word that begins inside of a piece marks that piece; one that begins elsewhere its own.
        ("native", "|a|b|c", "|ab|##c/"),
        # The last token ends a sentence, marked or not; spaces belong to nothing.
        ("native", "|我 |爱 ", "|我|爱/"),
        # What no token covers hands its word start on, and its sentence end back.
        ("reference", "|我|\u200b爱\u200b/|你", "|我|爱/|你/"),
        ("reference", "|\u200b我/\u200b", "|我/"),
        # Three tokens of one syllable: the first begins the word, the last ends the sentence.
        ("reference", "|한/|我", "|ᄒ##ᅡ##ᆫ/|我/"),
    ],
)
def test_boundaries_move_from_characters_to_tokens(mode: Mode, marked: str, expected: str) -> None:
    assert marked_again(tokenizer(mode), [document(marked)]) == [expected]


def test_documents_do_not_touch() -> None:
    documents = [document("|我"), document("\u200b"), document("爱|北京/"), document("|天安门/")]
    assert marked_again(tokenizer("reference"), documents) == ["|我/", "爱|北京/", "|天安门/"]


def test_literals_in_running_text_are_text() -> None:
    assert marked_again(tokenizer("native"), [document("|[MASK]|我")])[0].count("[MASK]") == 0


def write_documents(directory: Path, documents: Sequence[Document]) -> Path:
    directory.mkdir()
    writer = DocumentsWriter(directory)
    writer.write(to_batch(documents))
    write_manifest(directory, writer.finish(), report={"records": 9})
    return directory


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    documents = [
        document("|我|爱|北京|天安门|。/|abc"),
        document(" "),
        document("|你好|吗/", split="heldout"),
    ] * 5
    (tmp_path / "tokenizer").mkdir()
    tokenizer("native").save(tmp_path / "tokenizer")
    return write_documents(tmp_path / "documents", documents), tmp_path / "tokenizer"


def test_the_manifest_counts_everything(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    progress: list[tuple[int, int, int]] = []
    manifest = tokenize_corpus(
        *inputs, tmp_path / "shards", workers=1, on_progress=lambda *numbers: progress.append(numbers)
    )
    assert manifest.source == {"records": 9}
    assert manifest.empty_documents == 5
    assert manifest.characters == 5 * 15
    assert (manifest.num_tokens("train"), manifest.num_tokens("heldout")) == (50, 15)
    assert manifest.unknown_tokens == 5
    train = Shards.open(tmp_path / "shards", split="train", verify=True)
    assert (train.shards[0].info.documents, train.shards[0].info.sentences) == (5, 10)
    assert train.manifest == manifest
    copied = Tokenizer.open(train.tokenizer_directory)
    train.require_tokenizer(copied.hash, of="itself")
    assert copied.decode(train.shards[0].tokens[:10].tolist()) == "我爱北京天安门。abc"
    assert progress[-1][:2] == (75, 75)


def test_any_number_of_workers_writes_the_same(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    manifests = [
        tokenize_corpus(*inputs, tmp_path / str(workers), workers=workers, shard_tokens=20)
        for workers in (1, 2)
    ]
    assert manifests[0] == manifests[1]


def test_bad_inputs_leave_nothing_behind(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    documents, opened = inputs
    out = tmp_path / "shards"
    with pytest.raises(InputError, match="not a documents directory"):
        tokenize_corpus(tmp_path, opened, out)
    with pytest.raises(InputError, match="no tokenizer here"):
        tokenize_corpus(documents, documents, out)
    empty = write_documents(tmp_path / "empty", [document(" ")])
    with pytest.raises(InputError, match="not a single token"):
        tokenize_corpus(empty, opened, out, workers=1)
    assert not out.exists()
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(StorageError, match="not empty"):
        tokenize_corpus(documents, opened, out, workers=1)
