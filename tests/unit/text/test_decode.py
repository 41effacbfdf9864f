"""Encodings are found out; what is no text is refused."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.errors import InputError
from erya.text.decode import decode, decode_lines, detect_encoding

SIMPLE = "这是一个测试。我们的国家有很多人，大家都好。\n第二行 abc 123"
TRADITIONAL = "這是一個測試。我們的國家有很多人，大家都好。\n第二行 abc 123"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_simplified_text_reads_in_every_encoding(encoding):
    assert decode(SIMPLE.encode(encoding))[0] == SIMPLE


@pytest.mark.parametrize("encoding", ["utf-8", "big5", "gb18030", "utf-16", "utf-16-be"])
def test_traditional_text_reads_in_every_encoding(encoding):
    assert decode(TRADITIONAL.encode(encoding))[0] == TRADITIONAL


@given(st.text())
def test_utf8_is_always_utf8(text):
    if "\0" in text or text.startswith("\ufeff") or sum(c < " " for c in text) * 50 > len(text):
        return
    data = text.encode("utf-8", "ignore")
    if not data.startswith((b"%PDF", b"PK\x03", b"BZh", b"PAR1")):
        assert decode(data) == (data.decode(), "utf-8")


def test_a_sample_may_end_inside_a_character():
    data = (SIMPLE * 50).encode()
    assert all(detect_encoding(data[:size]) == "utf-8" for size in range(50, 60))
    assert all(detect_encoding((SIMPLE * 50).encode("gb18030")[:size]) == "gb18030" for size in range(50, 60))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (bytes(range(256)) * 4, "neither UTF-8"),
        (b"\x7fELF\x02\x01\x01" + b"\0" * 100 + bytes(range(200)), "neither UTF-8"),
        (b"%PDF-1.4 ...", "a PDF"),
        (b"PK\x03\x04....", "zip"),
        (b"\x1f\x8b\x08....", "gzip"),
        (b"\x01\x02\x03\x04 abc", "control characters"),
    ],
)
def test_binary_is_refused(data, said):
    with pytest.raises(InputError, match=said) as caught:
        decode(data, name="raw.txt")
    assert caught.value.where == "raw.txt"


def test_one_bad_byte_does_not_change_the_encoding():
    data = (SIMPLE * 20).encode() + b"\xff" + SIMPLE.encode()
    with pytest.raises(InputError, match="damaged utf-8"):
        decode(data)
    text, encoding = decode(data, errors="replace")
    assert encoding == "utf-8" and text.count("\ufffd") == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_lines_come_without_their_ends(encoding):
    text = "第一行\u2028还是第一行\r\n\n第三行的我们"
    stream = io.BufferedReader(io.BytesIO(text.encode(encoding)))
    expected = ["第一行\u2028还是第一行", "", "第三行的我们"]
    assert [line for line, _ in decode_lines(stream)] == expected


def test_damaged_lines_are_marked():
    stream = io.BufferedReader(io.BytesIO(SIMPLE.encode() + b"\n\xff\xfe\n" + SIMPLE.encode()))
    assert [is_damaged for _, is_damaged in decode_lines(stream)] == [False, False, True, False, False]


def test_a_line_in_another_encoding_is_read_in_its_own():
    lines = [SIMPLE.encode(), "今天的天气很好".encode("gb18030"), TRADITIONAL.encode()]
    stream = io.BufferedReader(io.BytesIO(b"\n".join(lines)))
    found = list(decode_lines(stream))
    assert ("今天的天气很好", False) in found and not any(is_damaged for _, is_damaged in found)


def test_the_encoding_may_show_late():
    data = b"ascii only\n" * 2000 + "我们的国家\n".encode("gb18030")
    assert list(decode_lines(io.BufferedReader(io.BytesIO(data), buffer_size=64)))[-1] == (
        "我们的国家",
        False,
    )


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
@pytest.mark.parametrize("num_nuls", [1, 20, 600])
def test_stray_nul_bytes_do_not_make_it_utf_16(encoding, num_nuls):
    data = (SIMPLE * 50).encode(encoding)
    assert detect_encoding(b"\0" * num_nuls + data) == encoding
    middle = data.index(b"\n") + 1
    assert detect_encoding(data[:middle] + b"\0" * num_nuls + data[middle:]) == encoding


def test_nul_bytes_in_ascii_are_strays_and_in_utf_16_are_not():
    assert detect_encoding(b"plain text of some length\0\nand another line of it\n") == "utf-8"
    assert detect_encoding("plain text\n".encode("utf-16-le")) == "utf-16-le"
    for text in ("我们的国家\n", "人\n", "天气 a b c\n很好\n", "Python 很好\n"):
        assert detect_encoding(text.encode("utf-16-be")) == "utf-16-be"
        assert detect_encoding(text.encode("utf-16-le")) == "utf-16-le"
    with pytest.raises(InputError, match="not a text file"):
        detect_encoding(b"\0" * 500)


@pytest.mark.parametrize("share", [1, 3, 5, 7, 9])
def test_a_file_of_two_encodings_is_text(share):
    lines = [
        f"第{n}行说的是今天的天气。".encode("utf-8" if n % 10 < share else "gb18030") for n in range(200)
    ]
    assert detect_encoding(b"\n".join(lines)) in ("utf-8", "gb18030")
