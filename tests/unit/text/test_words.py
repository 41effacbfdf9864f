"""Words: exact cover, tags, user dictionary, stop words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.errors import InputError
from erya.text.stopwords import STOPWORDS, is_content, read_stopwords, remove_stopwords
from erya.text.words import Segmenter, UserWord, read_user_words

PLAIN = Segmenter()
USER = Segmenter(
    [
        UserWord("iPhone 15", None, "nz"),
        UserWord("《三体》"),
        UserWord("云计算机"),
        UserWord("𠮷野家", 5, "nt"),
    ]
)
PIECES = [
    "我们",
    "研究生命",
    "起源",
    "iPhone 15",
    "iPhone 155",
    "《三体》",
    "云计算机",
    "𠮷野家",
    "😀",
    " ",
    "\r\n",
    "\0",
    "\ud800",
    "é",
    "𠮷",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.characters(), max_size=15).map("".join)


def tokens(segmenter, text):
    return [text[word.start : word.end] for word in segmenter.words(text)]


@pytest.mark.parametrize("segmenter", [PLAIN, USER])
@given(text=TEXTS)
def test_words_cover_the_text_exactly(segmenter, text):
    words = segmenter.words(text)
    assert [word.start for word in words] == [0, *(word.end for word in words)][: len(words)]
    assert (words[-1].end if words else 0) == len(text)
    starts = segmenter.starts(text)
    assert starts.shape == (len(text),)
    assert starts.nonzero()[0].tolist() == [word.start for word in words if not text[word.start].isspace()]


@pytest.mark.parametrize("segmenter", [PLAIN, USER])
@given(lines=st.lists(TEXTS.filter(lambda text: "\n" not in text), min_size=1, max_size=4))
def test_a_line_is_cut_the_same_alone_and_in_company(segmenter, lines):
    together = segmenter.starts("\n".join(lines))
    alone = [flag for line in lines for flag in [*segmenter.starts(line), False]][:-1]
    assert together.tolist() == alone


def test_tags():
    words = PLAIN.words("我来到北京清华大学")
    assert [word.tag for word in words] == ["r", "v", "ns", "nt"]


def test_user_words_stay_whole():
    assert tokens(USER, "用iPhone 15看《三体》") == ["用", "iPhone 15", "看", "《三体》"]
    assert "iPhone 15" not in tokens(USER, "iPhone 155")
    assert tokens(USER, "云计算机") == ["云计算机"]
    assert {word.tag for word in USER.words("𠮷野家")} == {"nt"}


def test_hidden_markov_model_can_be_left_out():
    text = "小明硕士"
    assert tokens(Segmenter(hmm=False), "李小福是创新办主任") != tokens(PLAIN, "李小福是创新办主任")
    assert "".join(tokens(Segmenter(hmm=False), text)) == text


def test_user_dictionary_file(tmp_path):
    path = tmp_path / "user.txt"
    path.write_text("\ufeff云计算 5 n\n三体\niPhone 15\t\n石墨烯 nz\nC++ 语言\t9\tnz\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="not a word") as caught:
        read_user_words(path)
    assert caught.value.where == f"{path}, line 3"
    path.write_text("三体\n\tnz\n", encoding="utf-8")
    with pytest.raises(InputError, match="not a word") as caught:
        read_user_words(path)
    assert caught.value.where == f"{path}, line 2"
    path.write_text("云计算 5 n\n三体\n石墨烯 nz\nC++ 语言\t9\tnz\niPhone 15\tnz\n", encoding="utf-8")
    assert read_user_words(path) == [
        UserWord("云计算", 5, "n"),
        UserWord("三体"),
        UserWord("石墨烯", None, "nz"),
        UserWord("C++ 语言", 9, "nz"),
        UserWord("iPhone 15", None, "nz"),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"\xd4\xc6\xbc\xc6\xcb\xe3 5 n", "not UTF-8 from byte 1"),
        ("云计\0算 5".encode(), "control character"),
        ("云\x1b计算".encode(), "control character"),
        ("云计算" * 22, "66 characters"),
        ("云计算 5 n 6", "not a word"),
        ("云计算 9999999999999", "not a word"),
        ("\t5", "not a word"),
    ],
)
def test_a_broken_line_of_a_user_dictionary_is_named(tmp_path, line, said):
    path = tmp_path / "user.txt"
    # Only a line feed ends a line: other separators must not shift the count.
    before = "三体\u2028\n\r\n"
    path.write_bytes(before.encode() + (line if isinstance(line, bytes) else line.encode()) + b"\r\n")
    with pytest.raises(InputError, match=said) as caught:
        read_user_words(path)
    assert caught.value.where == f"{path}, line 3"


@pytest.mark.parametrize("read", [read_user_words, read_stopwords])
@pytest.mark.parametrize(
    ("data", "said"), [(None, "no such file"), (b" \n", "no word|empty"), (b"\xff", "UTF-8")]
)
def test_bad_word_lists(tmp_path, read, data, said):
    path = tmp_path / "list.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=said):
        read(path)


def test_stopwords(tmp_path):
    text = "我们的研究，很好 OK"
    words = PLAIN.words(text)
    kept = remove_stopwords(text, words)
    assert [text[word.start : word.end] for word in kept] == ["研究", "好", "OK"]
    path = tmp_path / "stop.txt"
    path.write_text("研究\nOk\n", encoding="utf-8")
    own = read_stopwords(path)
    assert not is_content("OK", own) and is_content("的", own) and not is_content("，", own)
    assert 100 < len(STOPWORDS) < 200
