"""A page from a template: one file that fetches nothing and escapes every text it is given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from erya.files import atomic_write
from erya.runtime import require

_LONGEST_LINE = 140
# What a browser would drop, refuse or let act unseen: control characters except tab and line feed, and
# surrogates, which no UTF-8 file can hold.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def render(package: str, template: str, **values: Any) -> str:
    """Fill a template that extends `base.html.jinja` and may import `parts.html.jinja`.

    Args:
        package: the package the template lies in, such as "erya.evaluate".
        template: its file name.
        values: what it shows; every text is escaped.
    Returns:
        The page.
    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    jinja2 = require("jinja2")
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(name, ".") for name in (package, "erya.pages")]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, cut=cut)
    page: str = environment.get_template(template).render(**values)
    return page


def write(path: Path, html: str) -> None:
    """Write a page as UTF-8, whole or not at all.

    Raises:
        StorageError: the disk refuses.
    """
    with atomic_write(path) as stream:
        stream.write(showable(html).encode())


def showable(text: str) -> str:
    """`text` with a visible sign for each character that no page can show.

    Returns:
        The text, as long as it was: ␀ and its like for control characters, U+FFFD for the others.
    """
    return _UNSHOWABLE.sub(lambda found: _sign(ord(found[0])), text)


def _sign(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "\ufffd"


def number(value: float) -> str:
    """A count with thousands apart, or a measure with as many digits as anyone reads."""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def percent(share: float) -> str:
    """A share in [0, 1] for people: 12.3 %, 0.004 %; what is less is `< 0.001 %`, never 0."""
    if share == 0:
        return "0 %"
    if abs(share) < 0.00001:
        return "< 0.001 %"
    return f"{100 * share:.1f} %" if abs(share) >= 0.001 else f"{100 * share:.3f} %"


def cut(text: str, longest: int = _LONGEST_LINE) -> str:
    """At most `longest` characters of `text`; an ellipsis says that there was more."""
    return text if len(text) <= longest else text[: longest - 1] + "…"
