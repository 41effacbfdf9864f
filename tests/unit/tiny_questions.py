"""Hand-made questions whose answers two characters give away, in contexts of any length."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

NEUTRAL = "很非常房间大小服务书看，。了的"
ANSWERS = ("干净", "失望", "推荐", "喜欢")


@dataclass(frozen=True)
class QuestionFiles:
    """Files of JSON lines; a fifth of their questions has no answer."""

    train: Path
    dev: Path


def question(rng: random.Random, length: int, *, answerable: bool) -> dict:
    """One row; the context has one of ANSWERS, or none."""
    filling = [rng.choice(NEUTRAL) for _ in range(length)]
    if not answerable:
        return {"question": "好不", "context": "".join(filling), "answers": []}
    place, text = rng.randrange(length), rng.choice(ANSWERS)
    filling.insert(place, text)
    return {"question": "好不", "context": "".join(filling), "answers": [{"text": text, "start": place}]}


def write_questions(
    path: Path, number: int, *, seed: int, longest: int = 34, unanswerable: bool = True
) -> Path:
    """`number` rows with contexts of 6 to `longest` characters."""
    rng = random.Random(seed)
    rows = [
        {
            "id": f"q{place}",
            **question(rng, rng.randint(6, longest), answerable=not unanswerable or place % 5 > 0),
        }
        for place in range(number)
    ]
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
    path.write_text("".join(lines), encoding="utf-8")
    return path
