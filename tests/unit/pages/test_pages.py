"""What every page shares: nothing a text holds can act, vanish or break the file."""

import pytest

pytest.importorskip("jinja2")

from erya.errors import StorageError
from erya.pages.pictures import BLUE, INK, new_figure, short_label, styled, to_svg
from erya.pages.render import cut, number, percent, showable, write


@pytest.mark.parametrize(
    ("share", "said"),
    [(0, "0 %"), (0.000001, "< 0.001 %"), (0.00021, "0.021 %"), (0.5, "50.0 %"), (1.2, "120.0 %")],
)
def test_small_shares_never_become_nothing(share, said):
    assert percent(share) == said


def test_numbers_people_read():
    assert [number(value) for value in (0, 1234567, 0.8125, 27.34, 4321.7)] == [
        "0",
        "1,234,567",
        "0.812",
        "27.3",
        "4,322",
    ]
    assert cut("一" * 10, 5) == "一一一一…" and cut("一二", 2) == "一二"


def test_control_characters_and_surrogates_can_be_seen_and_written(tmp_path):
    assert showable("好\x00\x1b\n\t\x7f\x85\ud800坏") == "好␀␛\n\t␡\ufffd\ufffd坏"
    write(tmp_path / "page.html", "好\ud800")
    assert (tmp_path / "page.html").read_text("utf-8") == "好\ufffd"


def test_a_page_that_cannot_be_written_says_where(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="file"):
        write(tmp_path / "file" / "page.html", "x")


def test_pictures_take_the_colours_of_the_page_and_keep_their_text():
    with styled("test"):
        figure, axes = new_figure(2, 1)
        axes.bar([0], [1], color=BLUE)
        axes.set_title(f"龘 <b> {INK}")
        svg = to_svg(figure)
    assert svg.startswith("<svg") and "metadata" not in svg and "龘 &lt;b&gt;" in svg
    # Colours become variables; a text that spells one does not change.
    assert "var(--blue)" in svg and BLUE not in svg and svg.count(INK) == svg.count(f"&lt;b&gt; {INK}")


def test_labels_are_short_and_no_mathematics():
    assert short_label("一" * 11) == "一" * 9 + "…" and "$" not in short_label("$x$")
