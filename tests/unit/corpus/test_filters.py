"""The filters as a whole: honest text of every sort stays, junk goes for the right reason."""

import pickle

import pytest

from erya.config import validate
from erya.corpus.filters.apply import Filters
from erya.corpus.filters.options import FilterOptions
from erya.corpus.filters.table import FILTERS
from erya.errors import ConfigError

NEWS = (
    "昨天下午，市图书馆新馆正式向公众开放。新馆共有五层，藏书一百二十万册，设有儿童阅览区和盲文阅览区。"
    "馆长在开馆仪式上说，读者凭身份证就可以借书，每人每次最多可以借十本，借期三十天。\n"
    "不少市民一早就来排队。住在附近的退休教师刘老师说，她等这一天已经等了三年。"
)
CLASSICAL = (
    "子曰學而時習之不亦說乎有朋自遠方來不亦樂乎人不知而不慍不亦君子乎有子曰其為人也孝弟而好犯上者鮮矣"
    "不好犯上而好作亂者未之有也君子務本本立而道生孝弟也者其為仁之本與子曰巧言令色鮮矣仁曾子曰吾日三省吾身"
    "為人謀而不忠乎與朋友交而不信乎傳不習乎子曰道千乘之國敬事而信節用而愛人使民以時子曰弟子入則孝出則弟謹而信"
    "汎愛眾而親仁行有餘力則以學文子夏曰賢賢易色事父母能竭其力事君能致其身與朋友交言而有信雖曰未學吾必謂之學矣"
)
TECHNICAL = (
    "调用 torch.nn.functional.scaled_dot_product_attention(query, key, value) 时，如果传入 attn_mask，"
    "PyTorch 会退回 math 后端。把 is_causal=True 与 enable_gqa=True 一起用，可以走 FlashAttention-2 的路径。"
)
VERSE = "床前明月光\n疑是地上霜\n举头望明月\n低头思故乡"
HONEST = {
    "news": NEWS,
    "classical": CLASSICAL,
    "technical": TECHNICAL,
    "verse": VERSE,
    "review": "房间不错，早餐一般。。。",
    "laughter": "哈哈哈哈，这本书太好笑了，推荐给所有人看！",
    "rare Hanzi": "彳亍，读作赤触，慢慢走的样子。囹圄是监狱，魑魅魍魉是各种各样的坏人，饕餮是贪吃的怪兽。",
    "about mojibake": NEWS + "\n有人把打不开的文件里的“锟斤拷”三个字当成了密码，其实那只是编码错误。",
    "list in a text": "今天买了苹果、香蕉、葡萄、西瓜、草莓、桃子，一共花了八十块钱，味道都很好。",
}

_WORDS = "北京办证 上海办证 广州发票 深圳贷款 专业开锁 低价机票 二手手机 快速减肥 名牌手表 上门按摩"
KEYWORDS = _WORDS.split()
JUNK = {
    "too short": "好书",
    "mojibake": NEWS.encode().decode("gbk", "replace"),
    "repeated characters": "真的太好笑了" + "哈" * 40,
    "one character": "好，很好，太好，真好，都好，好吃，好看，好玩，好用，好，好，好",
    "much punctuation": "┏━━━━━━━━┓\n┃★☆★☆★☆★☆┃\n┃好消息┃\n┗━━━━━━━━┛",
    "many digits": "01 05 12 23 27 33 09\n02 08 11 19 25 31 04\n开奖号码 07 13 16 22 28 30 11",
    "few Hanzi": "The quick brown fox jumps over the lazy dog, again and again and again. 完",
    "Japanese": "これは日本語の文章です。漢字も使いますが、ひらがなのほうがずっと多いです。",
    "unusual Hanzi": NEWS.encode("gbk").decode("cp950", "ignore"),
    "repeated lines": "今天天气不错\n我们去公园玩\n" * 6,
    "repeated phrases": "".join(
        f"代办各种证件找我们，电话在这里，上海办证，广州发票，深圳贷款，都找我们{n}；" for n in range(12)
    ),
    "word list": " ".join(a[:2] + b[2:] for a in KEYWORDS for b in KEYWORDS if a != b),
    "mostly boilerplate": "首页 | 新闻 | 体育 | 登录 | 注册\n上一篇 下一篇\n版权所有 © 2019 某网\n正文很短",
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_text_stays_as_it_is(name):
    outcome = Filters(FilterOptions())([HONEST[name]])
    assert outcome.reasons == [None]
    assert outcome.texts == [HONEST[name]]
    assert not outcome.edits


@pytest.mark.parametrize("reason", JUNK)
def test_junk_goes_and_the_reason_is_given(reason):
    assert Filters(FilterOptions())([JUNK[reason]]).reasons == [reason]


def test_neighbours_in_a_batch_make_no_difference():
    texts = [*HONEST.values(), "", *JUNK.values(), *HONEST.values()]
    filters = Filters(FilterOptions())
    alone = [filters([text]) for text in texts]
    together = filters(texts)
    assert together.reasons == [outcome.reasons[0] for outcome in alone]
    assert together.texts == [outcome.texts[0] for outcome in alone]


def test_an_empty_batch():
    outcome = Filters(FilterOptions())([])
    assert outcome.texts == [] and outcome.reasons == []


OFF = FilterOptions(
    min_characters=None,
    min_hanzi_share=None,
    max_kana_share=None,
    min_common_share=None,
    max_digit_share=None,
    max_punctuation_share=None,
    max_list_pieces=None,
    max_mojibake_share=None,
    max_run_share=None,
    max_character_share=None,
    max_repeated_line_share=None,
    max_repeated_gram_share=None,
    boilerplate_lines=False,
    max_boilerplate_share=None,
)


def test_every_filter_can_be_switched_off():
    texts = [*JUNK.values(), ""]
    outcome = Filters(OFF)(texts)
    assert outcome.reasons == [None] * len(texts)
    assert outcome.texts == texts


ONE_ON = {
    "too short": {"min_characters": 5},
    "mojibake": {"max_mojibake_share": 0.05},
    "repeated characters": {"max_run_share": 0.3},
    "one character": {"max_character_share": 0.3},
    "much punctuation": {"max_punctuation_share": 0.6},
    "many digits": {"max_digit_share": 0.6},
    "few Hanzi": {"min_hanzi_share": 0.1},
    "Japanese": {"max_kana_share": 0.35},
    "unusual Hanzi": {"min_common_share": 0.13},
    "repeated lines": {"max_repeated_line_share": 0.3},
    "repeated phrases": {"max_repeated_gram_share": 0.6},
    "word list": {"max_list_pieces": 0.15},
    "mostly boilerplate": {"boilerplate_lines": True, "max_boilerplate_share": 0.5},
}


@pytest.mark.parametrize("reason", ONE_ON)
def test_each_filter_works_alone(reason):
    options = OFF.model_copy(update=ONE_ON[reason])
    assert Filters(options)([JUNK[reason], NEWS]).reasons == [reason, None]


def test_the_first_reason_in_the_table_counts():
    order = [reason for reason, _ in FILTERS]
    assert len(set(order)) == len(order)
    outcome = Filters(FilterOptions(max_characters=30, blocked_words=("哈哈",)))(["哈" * 40])
    assert outcome.reasons == [min(("too long", "repeated characters", "blocked words"), key=order.index)]


def test_limits_are_exact():
    options = OFF.model_copy(update={"max_digit_share": 0.5, "min_characters": 4, "max_characters": 6})
    assert Filters(options)(
        ["12中文", "123中文", "中文12 3", "1234", "中文字", "中文中文中文", "中文中文中文中"]
    ).reasons == [
        None,
        "many digits",
        "many digits",
        "many digits",
        "too short",
        None,
        "too long",
    ]


def test_run_length_and_gram_options_are_used():
    runs = OFF.model_copy(update={"max_run_share": 0.3, "run_length": 4})
    assert Filters(runs)(["好看看看看", "好看看看"]).reasons == ["repeated characters", None]
    text = "".join(f"第{n}条说的是同一件事情，" for n in "一二三四五六七八九十")
    grams = OFF.model_copy(update={"max_repeated_gram_share": 0.3, "gram_length": 5, "max_gram_repeats": 9})
    assert Filters(grams)([text]).reasons == ["repeated phrases"]
    assert Filters(grams.model_copy(update={"max_gram_repeats": 10}))([text]).reasons == [None]
    assert Filters(grams.model_copy(update={"gram_length": 13}))([text]).reasons == [None]


def test_masking_counts_and_spares_what_is_dropped():
    options = FilterOptions(mask=("phone", "email"))
    text = "有事请打13812345678，或者写信给zhang.san@example.com，我们会尽快回复您。"
    dropped = "13812345678 13912345678"
    outcome = Filters(options)([text, dropped, NEWS])
    assert outcome.texts == ["有事请打[电话]，或者写信给[邮箱]，我们会尽快回复您。", dropped, NEWS]
    assert outcome.edits == {"masked phone": 1, "masked email": 1}


def test_filters_travel_to_other_processes():
    filters = pickle.loads(pickle.dumps(Filters(FilterOptions(blocked_words=("办证",)))))
    assert filters([NEWS, NEWS + "办证"]).reasons == [None, "blocked words"]


def test_options_refuse_what_cannot_be():
    for wrong in (
        {"max_digit_share": 1.5},
        {"blocked_words": ["中"]},
        {"mask": ["fax"]},
        {"digit_share": 0.5},
    ):
        with pytest.raises(ConfigError):
            validate(FilterOptions, wrong, where="here")
