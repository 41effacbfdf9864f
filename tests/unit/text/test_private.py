"""Private numbers are masked; numbers that look like them are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from erya.text.private import TAGS, mask_private

ALL = ("phone", "email", "identity")
# Made up: regions and dates are possible, check digits are right.
IDENTITY = "11010519491231002X"

FOUND = {
    "phone": [
        "13812345678",
        "138-1234-5678",
        "138 1234 5678",
        "+8613812345678",
        "+86 138 1234 5678",
        "0086-13812345678",
        "86-13812345678",
        "(+86)13812345678",
        "010-12345678".replace("1234", "6234"),
        "010 6234 5678",
        "(010)62345678",
        "（0755）26234567",
        "0571-86234567-801",
        "021—62345678",
        "01062345678",
        "0835-2220000",
        "+86-10-62345678",
        "+86 755 2623 4567",
    ],
    "email": [
        "zhang.san@example.com",
        "a_b-c+d@mail.example.com.cn",
        "12345678@qq.com",
        "A@EXAMPLE.COM",
    ],
    "identity": [IDENTITY, IDENTITY.lower(), "110105 19491231 002X", "110105491231002"],
}
CASES = [(kind, number) for kind, numbers in FOUND.items() for number in numbers]

LEFT = [
    "订单号 2013812345678901",
    "圆周率 3.13812345678",
    "编号 A13812345678",
    "文件 13812345678.html",
    "哈希 f13812345678a",
    "12813812345678",
    "2,013,13812345678",
    "13812345678,345",
    "13812345678/2",
    "2013/13812345678",
    "12345678901",
    "110",
    "400-123-4567",
    "2020-12345678",
    "2019-2020年",
    "20190101-20191231",
    "端口号 8080，一共 1234567 人",
    "012-3456789",
    "@张三 你好",
    "图片 icon@2x.png",
    "a@b",
    "110105194912310021",  # wrong check digit
    "11010519491331002X",  # no such month
    "99010519491231002X",  # no such region
    "110105491331002",  # no such month, 15 digits
    "1101051949123100211",
]


@pytest.mark.parametrize(("kind", "number"), CASES)
@pytest.mark.parametrize(
    ("before", "after"), [("", ""), ("电话：", "，谢谢"), ("请联系", "。"), ("（", "）")]
)
def test_found(kind, number, before, after):
    masked = mask_private(before + number + after, ALL)
    assert masked is not None
    assert masked.aligned.text == before + TAGS[kind] + after
    assert masked.counts == {kind: 1}
    start = len(before)
    span = masked.aligned.alignment.original_span(start, start + len(TAGS[kind]))
    assert span == (start, start + len(number))


@pytest.mark.parametrize("text", LEFT)
def test_left_alone(text):
    assert mask_private(text, ALL) is None


@pytest.mark.parametrize("kind", ALL)
def test_only_what_is_asked_for(kind):
    text = f"电话 13812345678 邮箱 me@example.com 证件 {IDENTITY}"
    masked = mask_private(text, (kind,))
    assert masked is not None and masked.counts == {kind: 1}
    assert mask_private(text, ()) is None


def test_several_in_a_row():
    masked = mask_private("13812345678、13912345678;me@example.com", ALL)
    assert masked is not None
    assert masked.aligned.text == "[电话]、[电话];[邮箱]"
    assert masked.counts == {"phone": 2, "email": 1}


@pytest.mark.parametrize("mark", ["/", ",", "、"])
@pytest.mark.parametrize("number", ["13812345678", "138-1234-5678", "010-62345678", "021 6234 5678"])
def test_phones_side_by_side(number, mark):
    masked = mask_private(f"电话：{mark.join([number] * 3)}。", ("phone",))
    assert masked is not None
    assert masked.aligned.text == f"电话：{mark.join(['[电话]'] * 3)}。"


def test_an_address_of_digits_is_one_thing():
    masked = mask_private("13812345678@139.com", ALL)
    assert masked is not None and masked.aligned.text == "[邮箱]"


PIECES = st.sampled_from(
    ["13812345678", IDENTITY, "a@b.cn", "010-62345678", "中文", " ", "1", "-", "\n", "𠮷"]
)


@given(st.lists(PIECES, max_size=10).map("".join))
def test_what_is_not_masked_is_unchanged(text):
    masked = mask_private(text, ALL)
    if masked is None:
        return
    new, alignment = masked.aligned.text, masked.aligned.alignment
    assert len(alignment) == len(new) and alignment.original_length == len(text)
    inside = [tag for tag in TAGS.values() for _ in range(new.count(tag))]
    assert len(inside) == sum(masked.counts.values())
    rest, original = new, []
    for place in range(len(new)):
        start, end = alignment.original_span(place, place + 1)
        if end - start == 1:
            original.append(text[start])
    for tag in TAGS.values():
        rest = rest.replace(tag, "")
    assert "".join(original) == rest


def test_masking_again_changes_nothing():
    masked = mask_private(f"13812345678 {IDENTITY} a@example.com", ALL)
    assert masked is not None
    assert mask_private(masked.aligned.text, ALL) is None


def test_a_long_run_of_letters_takes_no_time():
    assert mask_private("a" * 200_000 + "@" + "1" * 200_000, ALL) is None
