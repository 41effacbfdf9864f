"""Lines in another encoding than their file are read in it; what nothing can read is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.text.mend import main_encoding, mend_line

SIMPLE = "今天我们去看了一个新的展览，大家都很高兴。"
TRADITIONAL = "今天我們去看了一個新的展覽，大家都很高興。"


@pytest.mark.parametrize(
    ("text", "line_encoding", "file_encoding"),
    [
        (SIMPLE, "gb18030", "utf-8"),
        (TRADITIONAL, "gb18030", "utf-8"),
        (TRADITIONAL, "big5hkscs", "utf-8"),
        (SIMPLE, "utf-8", "gb18030"),
        (TRADITIONAL, "utf-8", "big5hkscs"),
        ("你好吗", "utf-8", "gb18030"),
        ("abc 你好", "gb18030", "utf-8"),
        (SIMPLE, "gb18030", "big5hkscs"),
    ],
)
def test_a_line_is_read_in_the_encoding_it_is_in(text, line_encoding, file_encoding):
    mended = mend_line(text.encode(line_encoding), file_encoding)
    assert (mended.text, mended.encoding, mended.bad_bytes) == (text, line_encoding, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5hkscs"])
def test_what_its_own_encoding_reads_stays(encoding):
    for text in (TRADITIONAL, "", "abc", "數"):
        mended = mend_line(text.encode(encoding), encoding)
        assert (mended.text, mended.encoding) == (text, encoding)


@pytest.mark.parametrize(
    ("data", "text", "bad", "first"),
    [
        (SIMPLE.encode() + b"\xff", SIMPLE + "\ufffd", 1, 64),
        ("我们".encode() + b"\xe6\x88" + "家".encode(), "我们\ufffd家", 2, 7),
        (b"caf\xe9 \xe0 l'anglaise", "caf\ufffd \ufffd l'anglaise", 2, 4),
        (b"it\x92s", "it\ufffds", 1, 3),
        (b"\xff\xfe\xfd", "\ufffd\ufffd\ufffd", 3, 1),
    ],
)
def test_bad_bytes_are_counted_and_placed(data, text, bad, first):
    mended = mend_line(data, "utf-8")
    assert (mended.text, mended.encoding) == (text, "utf-8")
    assert (mended.bad_bytes, mended.first_bad) == (bad, first)


@given(st.binary(max_size=60), st.sampled_from(["utf-8", "gb18030", "big5hkscs"]))
def test_any_bytes_are_read(data, encoding):
    mended = mend_line(data, encoding)
    assert isinstance(mended.text, str)
    assert (mended.bad_bytes > 0) == (mended.first_bad > 0)
    if mended.bad_bytes:
        assert mended.bad_bytes <= len(data) and "\ufffd" in mended.text


def test_the_main_encoding_is_that_of_most_lines():
    lines = [SIMPLE.encode()] * 3 + [SIMPLE.encode("gb18030")] * 2 + [b"plain"] * 9
    assert main_encoding(b"\n".join(lines)) == "utf-8"
    assert main_encoding(b"\n".join([*lines, *[SIMPLE.encode("gb18030")] * 3])) == "gb18030"
    assert main_encoding(bytes(range(128, 256)) * 5) is None
