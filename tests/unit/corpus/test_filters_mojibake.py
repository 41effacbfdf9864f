"""Text that was decoded wrongly goes; rare characters as such do not."""

import pytest

from erya.corpus.filters.apply import Filters
from erya.corpus.filters.options import FilterOptions

MODERN = (
    "昨天下午，市图书馆新馆正式向公众开放。新馆共有五层，藏书一百二十万册，设有儿童阅览区和盲文阅览区。"
    "馆长在开馆仪式上说，读者凭身份证就可以借书，每人每次最多可以借十本，借期三十天。"
)
CLASSICAL = (
    "子曰：學而時習之，不亦說乎？有朋自遠方來，不亦樂乎？人不知而不慍，不亦君子乎？"
    "有子曰：其為人也孝弟，而好犯上者，鮮矣；不好犯上，而好作亂者，未之有也。君子務本，本立而道生。"
)
# Beasts, herbs and fishes of a rhapsody: as rare as honest text becomes.
RARE = (
    "其上則有鵷鶵孔鸞，騰遠射干。其下則有白虎玄豹，蟃蜒貙犴。於是乎乃使專諸之倫，手格此獸。"
    "其東則有蕙圃：衡蘭芷若，芎藭菖蒲，江蘺麋蕪，諸柘巴苴。其高燥則生葴菥苞荔，薛莎青薠。"
    "鮔鱨漸離，鰅鰫鰬魠，禺禺鱋鰨，揵鰭掉尾，振鱗奮翼，潛處乎深巖。"
)
PLAIN = Filters(FilterOptions())


def decoded_wrongly(text, written, read, errors):
    return text.encode(written, "ignore").decode(read, errors)


@pytest.mark.parametrize("text", [MODERN, CLASSICAL], ids=["modern", "classical"])
@pytest.mark.parametrize(
    ("written", "read", "errors"),
    [
        ("utf-8", "gbk", "replace"),
        ("utf-8", "gbk", "ignore"),
        ("gbk", "utf-8", "replace"),
        ("gbk", "latin-1", "strict"),
        ("utf-8", "cp950", "replace"),
        ("cp950", "utf-8", "replace"),
        ("utf-16-le", "gbk", "replace"),
    ],
)
def test_a_wrong_decoding_is_mojibake(text, written, read, errors):
    assert PLAIN([decoded_wrongly(text, written, read, errors)]).reasons == ["mojibake"]


@pytest.mark.parametrize(
    ("written", "read"), [("gbk", "cp950"), ("utf-8", "cp950"), ("utf-16-be", "utf-16-le")]
)
def test_one_chinese_encoding_read_as_another_is_unusual(written, read):
    assert PLAIN([decoded_wrongly(MODERN, written, read, "ignore")]).reasons == ["unusual Hanzi"]


@pytest.mark.parametrize("text", [MODERN, CLASSICAL, RARE], ids=["modern", "classical", "rare"])
def test_honest_text_stays(text):
    assert PLAIN([text]).reasons == [None]


def test_half_a_document_is_enough():
    spoiled = decoded_wrongly(MODERN[:20], "utf-8", "gbk", "replace")
    assert PLAIN([spoiled + MODERN[20:]]).reasons == ["mojibake"]
    assert Filters(FilterOptions(max_mojibake_share=0.9))([spoiled + MODERN[20:]]).reasons == [None]


@pytest.mark.parametrize(
    "rubbish", ["锟斤拷锟斤拷锟斤拷", "烫烫烫烫烫烫烫烫", "屯屯屯屯屯屯屯屯", "\ufffd" * 8]
)
def test_rubbish_counts_by_its_share(rubbish):
    assert PLAIN([MODERN[:60] + rubbish]).reasons == ["mojibake"]
    assert PLAIN([MODERN + CLASSICAL + RARE + rubbish]).reasons == [None]


def test_hot_soup_is_no_rubbish():
    assert PLAIN(["这碗汤好烫烫烫，小心舌头，吹一吹再喝。"]).reasons == [None]


def test_the_known_beginnings_are_found_in_short_texts():
    assert PLAIN(["我们都是中国人".encode().decode("gbk", "replace")]).reasons == ["mojibake"]


def test_french_is_not_chinese_but_no_mojibake_either():
    text = "L'été dernier, à Besançon, l'élève a dîné près de la forêt où naît la rivière."
    assert PLAIN([text]).reasons == ["few Hanzi"]
