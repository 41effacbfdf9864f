"""Which documents hold an evaluation text, and which have only phrases in common with one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.corpus.decontaminate.finding import Finder
from erya.corpus.decontaminate.index import build_index
from erya.corpus.decontaminate.letters import gram_hashes, letters_of
from erya.corpus.deduplicate.folding import fold
from erya.text.script import convert_text

REVIEW = (
    "这家酒店的位置非常方便，离地铁站只有五分钟的路程，房间虽然不大但是很干净，"
    "服务员的态度也很热情，下次还会再来。"
)
TITLE = "科学家在深海热泉附近发现三种未知生物"
SENTENCE = "昨天夜里的雨下得真大啊"
OTHER = (
    "春天来了，山坡上开满了各种颜色的野花，孩子们在草地上放风筝，"
    "老人们坐在树下下棋聊天，一切都显得安静而美好。"
)


def found_in(texts: Sequence[str], documents: Sequence[str], share: float = 0.5) -> list[list[int]]:
    """The texts found in each document."""
    with TemporaryDirectory() as folder:
        build_index(letters_of(fold(texts))).save(Path(folder))
        found = Finder(Path(folder), share)(letters_of(fold(documents)))
    return [sorted(found.texts[found.documents == number].tolist()) for number in range(len(documents))]


@pytest.mark.parametrize(
    "document",
    [
        REVIEW,
        REVIEW.replace("方便", "方辨"),
        REVIEW.replace("虽然", ""),
        REVIEW.replace("房间", "我住的那一个房间"),
        convert_text(REVIEW, "s2t"),
        REVIEW.replace("，", " !! ").replace("。", "\n"),
        OTHER + REVIEW + OTHER,
        OTHER * 30 + "\n" + REVIEW[:35] + "\n" + OTHER * 30,
    ],
    ids=["verbatim", "a character", "shorter", "longer", "traditional", "marks", "inside", "more than half"],
)
def test_an_edited_text_is_found(document: str) -> None:
    assert found_in([OTHER[:30], REVIEW], [SENTENCE, document])[1][-1:] == [1]


def test_phrases_in_common_are_no_evidence() -> None:
    phrases = [REVIEW[start : start + 9] for start in range(0, len(REVIEW) - 9, 5)]
    scattered = OTHER.join(phrases)
    assert found_in([REVIEW], [scattered, REVIEW[:12] + OTHER, OTHER]) == [[], [], []]


def test_common_phrases_of_many_texts_are_not_looked_at() -> None:
    phrase = "全国人民代表大会常务委员会关于修改的决定"
    names = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉"
    texts = [f"{phrase}{a}{b}{a}{b}{a}{b}{a}{b}" for a in names for b in names[:4]]
    document = f"{OTHER}{phrase}。{OTHER}"
    assert found_in([phrase], [document]) == [[0]]
    assert found_in([phrase, *texts], [document]) == [[]]
    assert found_in([phrase, *texts], [texts[5]]) == [[6]], "what is left of a text is enough"


def test_a_short_text_is_found_as_a_sentence_only() -> None:
    documents = [
        f"{OTHER}{SENTENCE}。{OTHER}",
        f"{OTHER}他说{SENTENCE}。{OTHER}",
        f"{OTHER}{SENTENCE}，{OTHER}",
        SENTENCE,
        f"{OTHER}\n{TITLE.replace('未知', '新')}\n{OTHER}",
        f"{OTHER}据说{TITLE}，{OTHER}",
        f"{OTHER}{TITLE[:12]}。{OTHER}",
    ]
    assert found_in([SENTENCE, TITLE], documents) == [[0], [], [], [0], [], [], []]
    assert found_in([TITLE], [f"{OTHER}\n{TITLE.replace('热', '冷')}\n{OTHER}"]) == [[0]]


def test_very_short_texts_are_found_as_lines_of_short_documents() -> None:
    texts = ["非常不错", "很好吃", "味道一般般吧"]
    documents = [
        "非常不错！",
        "很好吃",
        f"{SENTENCE}\n味道，一般般吧\n好",
        "味道一般般吧\n一\n二\n三",
        "非常不错的",
    ]
    assert found_in(texts, documents) == [[0], [], [2], [], []]


def test_numbers_and_words_of_an_alphabet_are_no_texts() -> None:
    assert found_in(["201203041234", "Microsoft"], ["201203041234。", "Microsoft。"]) == [[], []]
    english = "The quick brown fox jumps over the lazy dog and runs away from the old house"
    assert found_in([english], [f"{OTHER}{english.upper()}，{OTHER}"]) == [[0]]


def test_the_share_decides_how_much_of_a_text_is_needed() -> None:
    long = REVIEW + OTHER
    document = long[: int(0.7 * len(long))]
    assert found_in([long], [document], share=0.5) == [[0]]
    assert found_in([long], [document], share=0.9) == [[]]


def test_no_n_gram_goes_over_the_end_of_a_document() -> None:
    assert found_in([REVIEW], [REVIEW[:20], REVIEW[20:]], share=0.9) == [[], []]


def test_a_text_of_repetitions_costs_little_and_is_no_evidence() -> None:
    assert found_in(["哈" * 3000], ["哈" * 3000 + "嘿"]) == [[]]


def test_nothing_is_found_in_nothing() -> None:
    assert found_in([REVIEW], []) == []
    assert found_in([REVIEW], ["", "。"]) == [[], []]
    assert found_in(["好"], [REVIEW]) == [[]]


def test_the_hash_depends_on_every_letter_of_an_n_gram_alone() -> None:
    codes = np.array([ord(letter) for letter in "山水之间有清音山水之间有清间"], dtype=np.uint64)
    hashes = gram_hashes(codes)
    assert len(hashes) == 9 and hashes[0] == hashes[7] and len(set(hashes.tolist())) == 8
    assert len(gram_hashes(codes[:5])) == 0


letters = st.sampled_from([chr(code) for code in range(0x4E00, 0x4E00 + 3000)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_planted_text_is_found_with_an_edit_in_25_letters(data: st.DataObject) -> None:
    length = data.draw(st.integers(30, 500))
    seed = data.draw(st.integers(0, 2**32))
    random = np.random.default_rng(seed)
    text = "".join(chr(code) for code in random.integers(0x4E00, 0x4E00 + 3000, length))
    edited = list(text)
    kinds = data.draw(st.sampled_from(["replace", "remove", "insert", "mixed"]))
    places = data.draw(st.sets(st.integers(0, length - 1), max_size=length // 25))
    for place in sorted(places, reverse=True):
        kind = str(random.choice(["replace", "remove", "insert"])) if kinds == "mixed" else kinds
        replacement = {"replace": ["〇"], "remove": [], "insert": [edited[place], "〇"]}[kind]
        edited[place : place + 1] = replacement
    around = data.draw(st.text(letters, max_size=60))
    assert found_in([text], [around + "".join(edited) + around, around]) == [[0], []]
