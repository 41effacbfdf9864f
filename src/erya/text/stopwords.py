"""Stop words: function words that say little about what a text is about."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from erya.errors import InputError
from erya.files import require_file
from erya.text.words import Word

_PRONOUNS = """
我 你 您 他 她 它 我们 你们 他们 她们 它们 咱们 自己 大家 这 那 这个 那个 这些 那些 这里 那里 这样 那样
谁 什么 哪 哪个 哪些 怎么 怎样 如何 为什么 几 多少
"""
_PARTICLES = "的 地 得 了 着 过 吗 呢 吧 啊 呀 嘛 啦 哦 哈 之 所 等 们"
_PREPOSITIONS = """
在 从 向 往 到 由 对 对于 关于 把 被 让 给 跟 同 以 为 为了 按 按照 根据 通过 比 除了 随着 至 于
"""
_CONJUNCTIONS = """
和 与 及 以及 或 或者 并 并且 而 而且 但 但是 可是 不过 然而 因为 所以 因此 由于 如果 虽然 即使 只要
只有 不仅 还是 于是 则 且
"""
_ADVERBS = """
不 没 没有 也 都 就 才 还 又 再 很 太 更 最 非常 已 已经 正在 将 会 只 仅 却 便 曾 曾经
"""
_WEAK = """
是 有 要 能 可以 可能 应该 上 下 中 里 时 后 前 个 一 一个 一些 一种 一样
"""
STOPWORDS: frozenset[str] = frozenset(
    (_PRONOUNS + _PARTICLES + _PREPOSITIONS + _CONJUNCTIONS + _ADVERBS + _WEAK).split()
)


def read_stopwords(path: Path) -> frozenset[str]:
    """Read a list of stop words, one a line; letter case makes no difference.

    Raises:
        InputError: the file is missing, empty or not UTF-8.
    """
    try:
        words = frozenset(
            line.strip().lower() for line in require_file(path).read_text(encoding="utf-8-sig").splitlines()
        )
    except UnicodeDecodeError:
        raise InputError("the list of stop words is not UTF-8", where=str(path)) from None
    if not words - {""}:
        raise InputError("the list of stop words is empty", where=str(path))
    return words - {""}


def is_content(token: str, stopwords: Collection[str] = STOPWORDS) -> bool:
    """Whether a word says something: no stop word (these in lower case), white space or punctuation."""
    return token.lower() not in stopwords and any(character.isalnum() for character in token)


def remove_stopwords(
    text: str, words: Sequence[Word], *, is_kept: Callable[[str], bool] = is_content
) -> list[Word]:
    """The words of `text` that `is_kept` keeps, spans unchanged."""
    return [word for word in words if is_kept(text[word.start : word.end])]
