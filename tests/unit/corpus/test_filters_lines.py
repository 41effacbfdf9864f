"""Lines that are no text go, sentences that look like them stay."""

import pytest

from erya.corpus.filters.apply import Filters
from erya.corpus.filters.line_rules import BREADCRUMB, LINK, MAX_LINE, NAVIGATION, NOTICE, kind_of
from erya.corpus.filters.options import FilterOptions

# Long enough to be kept whatever line is taken out.
BEFORE = "市图书馆新馆昨天正式向公众开放，馆里一共有五层，藏书一百二十万册，还设有儿童阅览区和盲文阅览区。"
AFTER = "馆长在开馆仪式上说，读者凭身份证就可以借书，每人每次最多可以借十本，借期是三十天，逾期不收费。"

LINES = {
    LINK: [
        "https://example.com/a/b.html?x=1&y=2",
        "原文链接：https://example.com/123",
        "via: http://example.com",
        "（www.example.com/index.html）",
        "- [链接](https://example.com/a)",
        "来源 https://example.com/a https://example.com/b",
    ],
    BREADCRUMB: [
        "首页 > 新闻 > 国内新闻 > 正文",
        "您的位置：首页 >> 产品中心",
        "当前位置: 网站首页 / 公司简介",
        "您现在的位置是：主页>文学>散文",
        "主页 » 帮助",
    ],
    NAVIGATION: [
        "首页 | 新闻 | 体育 | 娱乐 | 财经",
        "登录 注册 帮助中心",
        "手机版 | 电脑版 | 客户端",
        "音乐 电影 电视剧 综艺 动漫",
        "【打印】【关闭】【收藏】",
        "关于我们 - 联系我们 - 网站地图 - 友情链接",
        "设为首页",
        "返回顶部",
        "加载更多…",
        "查看更多",
        "更多>>",
        "阅读全文 »",
    ],
    NOTICE: [
        "版权所有 © 2019 某某科技有限公司 京ICP备12345678号-1",
        "Copyright 2010-2020 example.com All Rights Reserved.",
        "© 2020 某某网",
        "京ICP备 12345678号",
        "京公网安备 11010502000000号",
        "转载请注明出处。",
        "声明：本文由网友上传，不代表本站立场，如有侵权请联系我们删除。",
        "责任编辑：张三",
        "（责任编辑：李四 UN655）",
        "编辑：王小明",
        "原标题：某某某",
        "点击查看更多精彩内容>>",
        "点击这里下载附件",
        "上一篇：昨天的新闻 下一篇：明天的新闻",
        "上一篇 下一篇",
        "下一章：再见",
        "扫码关注我们",
        "长按识别下方二维码，关注公众号",
        "欢迎关注我们的微信公众号",
        "微信公众号：something",
        "分享到：微信 新浪微博 QQ空间",
        "【字号：大 中 小】",
        "您的浏览器不支持 JavaScript，请更换后再试",
        "请启用 JavaScript 以便正常使用本网站",
        "Please enable JavaScript to continue.",
        "本网站使用 cookies 来改善您的体验。",
    ],
}
SENTENCES = [
    "更多的人选择了骑自行车上班。",
    "他点击了那个链接，页面上什么也没有。",
    "上一节我们讲了方法，这一节讲泛型。",
    "上一篇，我们介绍了线程模型，本文介绍路由。",
    "首页的设计要简单，登录和注册放在右上角。",
    "文化、教育、体育、科技等部门应当给予必要的指导和支持。",
    "如果用户在浏览器里禁用了 JavaScript，页面应当仍然可读。",
    "Cookie 由服务器写入，由浏览器在下一次请求里带回。",
    "版权所有者有权许可他人使用其作品。",
    "位置：显示线程的运行位置。",
    "编辑：打开文件之后，按下 Ctrl 和 S 键保存。",
    "官网是 https://example.com，里面有全部文档。",
    "他扫描了门上的二维码，大门就打开了。",
    "新闻",
    "登录",
    "联系我们",
    "编辑是一种职业。",
    "分享到朋友圈的照片一共有九张，都是她拍的。",
    "x > y > z",
    "查看更多的细节要花时间，但是很值得。",
]
CASES = [(kind, line) for kind, lines in LINES.items() for line in lines]


@pytest.mark.parametrize(("kind", "line"), CASES)
def test_a_line_of_boilerplate_is_taken_out_and_counted(kind, line):
    outcome = Filters(FilterOptions())([f"{BEFORE}\n{line}\n{AFTER * 2}", f"{BEFORE}\n{AFTER}"])
    assert outcome.texts == [f"{BEFORE}\n{AFTER * 2}", f"{BEFORE}\n{AFTER}"]
    assert outcome.edits == {kind: 1}
    assert outcome.reasons == [None, None]


@pytest.mark.parametrize("line", SENTENCES)
def test_a_sentence_stays(line):
    text = f"{BEFORE}\n{line}\n{AFTER}"
    assert Filters(FilterOptions())([text]).texts == [text]


def test_a_long_line_stays():
    line = "责任编辑：" + "张三" * (MAX_LINE // 2)
    assert kind_of(line[:20]) == NOTICE
    assert kind_of(line) is None


def test_lines_at_the_ends_and_texts_of_nothing_else():
    texts = [f"首页 > 正文\n{BEFORE}", f"{BEFORE}\n返回顶部", "返回顶部", "返回顶部\n\n上一篇 下一篇", ""]
    outcome = Filters(FilterOptions())(texts)
    assert outcome.texts[:2] == [BEFORE, BEFORE]
    assert outcome.texts[2].strip() == outcome.texts[3].strip() == ""
    assert outcome.reasons == [None, None, "mostly boilerplate", "mostly boilerplate", "too short"]
    assert sum(outcome.edits.values()) == 5


def test_the_share_of_boilerplate_has_a_limit():
    text = f"{BEFORE}\n" + "返回顶部\n" * 6 + AFTER
    share = 6 * len("返回顶部\n") / len(text)
    assert Filters(FilterOptions(max_boilerplate_share=share - 0.01))([text]).reasons == [
        "mostly boilerplate"
    ]
    assert Filters(FilterOptions(max_boilerplate_share=share + 0.01))([text]).reasons == [None]
