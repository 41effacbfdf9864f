"""Hand-made texts whose entities a glance at single characters gives away."""

from __future__ import annotations

import json
import random
from pathlib import Path

from tiny_reviews import CHARACTERS

PLACES, THINGS = ("房间", "大房间", "间"), ("书", "服务")
_NEUTRAL = "很非常再来了的不，。！值得"
assert set("".join((*PLACES, *THINGS, _NEUTRAL))) <= set(CHARACTERS)


def row(rng: random.Random) -> dict[str, object]:
    """A text of at most 20 characters with some entities that do not touch."""
    parts, entities, end = [], [], 0
    for _ in range(rng.randint(1, 3)):
        filler = "".join(rng.choice(_NEUTRAL) for _ in range(rng.randint(1, 3)))
        kind = rng.choice(["PLACE", "THING"])
        name = rng.choice(PLACES if kind == "PLACE" else THINGS)
        start = end + len(filler)
        end = start + len(name)
        parts += [filler, name]
        entities.append({"start": start, "end": end, "type": kind})
    return {"text": "".join(parts), "entities": entities}


def nested(given: dict) -> dict:
    """The same with a second entity in each long place."""
    inner = [
        {"start": entity["start"] + 1, "end": entity["end"], "type": "THING"}
        for entity in given["entities"]
        if entity["end"] - entity["start"] == 3
    ]
    return {**given, "entities": [*given["entities"], *inner]}


def write_rows(path: Path, rows: list[dict]) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in rows), encoding="utf-8")
    return path


def some_rows(number: int, *, seed: int) -> list[dict]:
    rng = random.Random(seed)
    return [row(rng) for _ in range(number)]
