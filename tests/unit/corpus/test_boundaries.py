"""Word, sentence, document and pair boundaries move from characters to tokens."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marked_documents import document, small_tokenizer, write_documents

from erya.corpus.boundaries import TokenBoundaries, mark_boundaries
from erya.data.document_columns import DocumentColumns, read_columns
from erya.data.documents import Document, row_groups
from erya.tokenizer.encoding import FlatPieces
from erya.tokenizer.spec import Mode
from erya.tokenizer.wordpiece import Tokenizer


def columns_of(documents: Sequence[Document]) -> DocumentColumns:
    with tempfile.TemporaryDirectory() as folder:
        (group,) = row_groups(write_documents(Path(folder) / "documents", documents))
        (columns,) = read_columns(group)
        return columns


def marks_of(opened: Tokenizer, documents: Sequence[Document]) -> tuple[FlatPieces, TokenBoundaries]:
    (batch,) = columns_of(documents).batches(1000)
    pieces = opened.flat_pieces(batch.texts, literals=False)
    return pieces, mark_boundaries(pieces, batch)


def marked_again(opened: Tokenizer, documents: Sequence[Document]) -> list[str]:
    """The tokens of the documents with the marks they got."""
    pieces, marks = marks_of(opened, documents)
    out, text = [], ""
    for place, id in enumerate(pieces.ids):
        text += "=" if place in marks.pair_starts else ""
        text += "|" if marks.word_starts[place] else ""
        text += opened.vocab[id] + ("/" if marks.sentence_ends[place] else "")
        if marks.document_ends[place]:
            out.append(text)
            text = ""
    assert not text
    return out


CASES: list[tuple[Mode, str, str]] = [
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
    # The second text of a pair begins with its first token.
    ("native", "|我|爱/\n=|ab/", "|我|爱/=|ab/"),
    ("reference", "|我|爱/\n=\u200b|ab/", "|我|爱/=|ab/"),
    # A text without a token is no half of a pair.
    ("reference", "|我|爱/\n=\u200b", "|我|爱/"),
    ("reference", "\u200b\n=|我|爱/", "|我|爱/"),
]


@pytest.mark.parametrize(("mode", "marked", "expected"), CASES)
def test_boundaries_move_from_characters_to_tokens(mode: Mode, marked: str, expected: str) -> None:
    assert marked_again(small_tokenizer(mode), [document(marked)]) == [expected]


def test_documents_do_not_touch() -> None:
    documents = [document("|我"), document("|\u200b/"), document("爱|北京/|\u200b"), document("|天安门/")]
    assert marked_again(small_tokenizer("reference"), documents) == ["|我/", "爱|北京/", "|天安门/"]


def test_tokens_that_share_a_character_change_nothing_for_others() -> None:
    """With them boundaries are searched for, without them mostly looked up."""
    reference = [(marked, expected) for mode, marked, expected in CASES if mode == "reference"]
    documents = [document("|한/"), *(document(marked) for marked, _ in reference)]
    again = marked_again(small_tokenizer("reference"), documents)
    assert again == ["|ᄒ##ᅡ##ᆫ/", *(expected for _, expected in reference)]


def test_literals_in_running_text_are_text() -> None:
    assert marked_again(small_tokenizer("native"), [document("|[MASK]|我")])[0].count("[MASK]") == 0


marked_texts = st.text(alphabet="|/我爱ab \n\u200b한é\u0301\u0323", min_size=1, max_size=30).filter(
    lambda marked: marked.strip("|/") and not marked.startswith("/") and not marked.endswith("|")
)


@settings(deadline=None, max_examples=150)
@given(st.lists(marked_texts, min_size=1, max_size=4), st.sampled_from(["native", "reference"]))
def test_every_boundary_goes_where_the_rule_says(marked: list[str], mode: Mode) -> None:
    documents, opened = [document(text) for text in marked], small_tokenizer(mode)
    pieces, marks = marks_of(opened, documents)
    covered = 0
    for number, one in enumerate(documents):
        part = slice(int(pieces.bounds[number]), int(pieces.bounds[number + 1]))
        spans = [tuple(span) for span in pieces.spans[part].tolist()]
        covered += len({place for start, end in spans for place in range(start, end)})
        begin = {
            next((token for token, (_, end) in enumerate(spans) if end > place), None)
            for place in np.flatnonzero(one.word_starts)
        }
        end = {
            max((token for token, (start, _) in enumerate(spans) if start <= place), default=None)
            for place in np.flatnonzero(one.sentence_ends)
        }
        if spans:
            end.add(len(spans) - 1)
        assert set(np.flatnonzero(marks.word_starts[part])) == begin - {None}
        assert set(np.flatnonzero(marks.sentence_ends[part])) == end - {None}
    assert marks.covered == covered
