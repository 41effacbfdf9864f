"""Hand-made reviews whose label single characters give away."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

CHARACTERS = "好差很非常房间大小服务干净吵书看值得推荐失望喜欢再来了的不，。！"
POSITIVE, NEGATIVE = "好评", "差评"


@dataclass(frozen=True)
class ReviewFiles:
    """Labelled files, columns `label` and `text_a`; labels are Hanzi."""

    train: Path
    dev: Path


def review(rng: random.Random, label: str) -> str:
    """A short text whose label a glance at single characters gives away."""
    sure = "好净值荐欢" if label == POSITIVE else "差吵失望小"
    neutral = "很非常房间服务书看再来了的，。"
    signs = [rng.choice(neutral) for _ in range(rng.randint(2, 9))] + [rng.choice(sure) for _ in range(2)]
    rng.shuffle(signs)
    return "".join(signs)


def write_reviews(path: Path, number: int, *, seed: int) -> Path:
    rng = random.Random(seed)
    labels = [POSITIVE if index % 2 else NEGATIVE for index in range(number)]
    rows = [f"{label}\t{review(rng, label)}\n" for label in labels]
    path.write_text("label\ttext_a\n" + "".join(rows), encoding="utf-8")
    return path
