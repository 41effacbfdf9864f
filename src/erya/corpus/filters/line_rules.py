"""Which lines of a web page are not its text: links, paths to the page, navigation, notices.

A rule says when a whole line (white space at its ends taken off) is of its kind. Each is careful: what may be
a sentence of the text, or a heading of it, stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from erya.corpus.filters.page_words import BEGINNINGS, BUTTONS, MENU

LINK, BREADCRUMB, NAVIGATION, NOTICE = (
    "link line",
    "breadcrumb line",
    "navigation line",
    "boilerplate line",
)
# No longer line is looked at.
MAX_LINE = 160

_URL = re.compile(
    r"(?:https?|ftp)://[^\s\u3000-\u9fff，。；！？）】》]+|www\.[\w-]+\.[\w./?=&%#-]+",
    re.ASCII | re.IGNORECASE,
)
_ABOUT_LINK = re.compile(
    r"(?:原文|源码|项目|官方|下载|参考|本文|文章|视频|网站|网页)?(?:链接|地址|网址|出处|来源|参考|官网)"
    r"|原文|via|url|link|source",
    re.IGNORECASE,
)
_NEXT = r"\s*(?:>{1,2}|»|›|→|＞)\s*"
_BREADCRUMB = re.compile(
    rf"(?:您|你|当前|现在).{{0,5}}位置(?:是)?\s*[:：].{{1,80}}|(?:所在)?位置\s*[:：].{{1,30}}{_NEXT}.{{1,60}}"
    rf"|(?:首页|主页|网站首页|home){_NEXT}.{{1,20}}(?:{_NEXT}.{{1,40}})*",
    re.IGNORECASE,
)
# What stands between the words of a menu. The items of a sentence stand between commas.
_BETWEEN = re.compile(r"[\s|｜/·•>»›→＞\-—_\[\]【】()（）]+")

_STARTING_NOTICE = re.compile(
    "|".join(
        (
            r"(?:copyright\s*(?:©|\(c\)|[:：]?\s*[0-9]{4}|by\b)|©|\(c\)\s*[0-9]{4}|版权所有(?![者人权])|版权归).{0,120}",
            r"(?:本文|本站|版权|特别|免责|郑重)?声明\s*[:：].{0,40}(?:本站|本网|转载|侵权|立场|授权).{0,100}",
            r"(?:责任编辑|责编|本文编辑|网络编辑|值班编辑|实习编辑|视频编辑|文字编辑|本期编辑|原标题)\s*[:：/].{0,60}",
            r"(?:编辑|校对|审核|审校|监制|排版|编审)\s*[:：/]\s*[\u3400-\u9fff· 、丨|/]{2,12}[)）\]】]?",
            r"点击(?:此处|这里|下方|上方|右侧|图片|链接|标题|原文)?\s*"
            r"(?:查看|阅读|进入|下载|加载|展开|浏览|观看|领取|购买|了解|收听|关注)[^。！？；]{0,16}[>»】\])）。]*",
            r"(?:查看|阅读|展开|加载|了解|浏览)(?:全文|更多|原文)[^。！？；]{0,12}[>»…。]*",
            r"上一[篇页章节条](?:\s*[:：].{0,60})?(?:.{0,8}下一[篇页章节条].{0,60})?",
            r"下一[篇页章节条]\s*[:：].{0,60}",
            r"微信(?:公众)?(?:号|平台)\s*[:：]\s*\S{1,40}",
            r"(?:欢迎|点击|快来|请|记得|搜索)关注.{0,16}(?:公众号|微博|视频号|抖音|官微|我们).{0,40}",
            r"分享[到至]\s*[:：]?(?:微信|微博|新浪微博|qq空间|qq|朋友圈|人人网|豆瓣|facebook|twitter|[\s|、])*",
            r"(?:【|\[)?字(?:号|体)\s*[:：]?\s*大\s*中\s*小(?:】|\])?.{0,20}",
        )
    ),
    re.IGNORECASE,
)
_QR_CODE = (
    r"(?:扫描|扫码|长按|扫一扫|识别).{0,6}(?:[下上]方|[下上]面|左侧|右侧|以下|海报|文末).{0,8}(?:二维码|图片|小程序码)"
    r"|(?:扫描|长按|扫一扫|识别).{0,4}二维码.{0,6}(?:关注|下载|添加|加入|加群|进群|领取|报名|参与|查看)"
    r"|扫码.{0,6}(?:关注|下载|添加|加入|加群|进群|领取|报名|登录)"
)
_SWITCHED_ON = r"(?:启用|开启|打开|允许).{0,10}(?:javascript|cookies?)"
_NOTICE = re.compile(
    "|".join(
        (
            r"[^，。；！？]{0,60}(?:版权所有(?![者人权])|all rights? reserved).{0,80}",
            r".{0,80}icp[备证].?\s*\d{6,}.{0,60}",
            r".{0,40}公网安备\s*\d{8,}.{0,40}",
            r".{0,30}(?:转载请(?:注明|保留|联系)|未经(?:授权|许可|允许|书面).{0,12}转载|谢绝转载|禁止转载).{0,60}",
            rf".{{0,40}}(?:{_QR_CODE}).{{0,40}}",
            r".{0,30}[您你]的浏览器(?:版本)?(?:过低|太低|不支持|已禁用|禁用了|未启用|没有启用|未开启).{0,100}",
            rf".{{0,30}}(?:请|需要|必须).{{0,10}}{_SWITCHED_ON}.{{0,30}}(?:本站|本网站|此网站|浏览器|刷新|继续).{{0,30}}",
            r".{0,40}(?:enable|turn on|requires?) (?:javascript|cookies?).{0,80}",
            r".{0,40}(?:本站|本网站|我们的网站|我们|website|site|we)\s?(?:会|正在|将)?\s?(?:使用|uses?)\s?cookies?.{0,100}",
        )
    ),
    re.IGNORECASE,
)

_OPENING = "([（【〔>»<* \u3000"


def candidates(lines: Sequence[str]) -> Iterator[int]:
    """Which of the lines begin as a line of boilerplate may; hints and menus are found otherwise."""
    for index, line in enumerate(lines):
        if line and len(line) <= MAX_LINE and line.lstrip(_OPENING)[:2] in BEGINNINGS:
            yield index


def kind_of(line: str) -> str | None:
    """What kind of boilerplate `line` is, the name its removal is counted under; None: it is text."""
    line = line.strip()
    if len(line) > MAX_LINE or not line:
        return None
    return next((kind for kind, is_kind in _RULES if is_kind(line)), None)


def _is_link(line: str) -> bool:
    if "://" not in line and "www." not in line.lower():
        return False
    rest, num_urls = _URL.subn("", line)
    return num_urls > 0 and not any(character.isalnum() for character in _ABOUT_LINK.sub("", rest))


def _is_menu(line: str) -> bool:
    if line in BUTTONS or line.strip("+>»….。 []()（）【】") in BUTTONS:
        return True
    pieces = [piece for piece in _BETWEEN.split(line) if piece]
    known = sum(piece in MENU or piece in BUTTONS for piece in pieces)
    return known >= 3 and known >= 0.6 * len(pieces)


def _is_notice(line: str) -> bool:
    return bool(_STARTING_NOTICE.fullmatch(line.lstrip(_OPENING)) or _NOTICE.fullmatch(line))


_RULES: tuple[tuple[str, Callable[[str], object]], ...] = (
    (LINK, _is_link),
    (BREADCRUMB, _BREADCRUMB.fullmatch),
    (NAVIGATION, _is_menu),
    (NOTICE, _is_notice),
)
