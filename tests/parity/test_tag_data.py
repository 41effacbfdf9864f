"""Every gold span of real data survives encoding and decoding, or is known to be one that cannot.

Skipped without the data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from erya.tasks.tag.reading import Example, read_examples
from erya.tasks.tag.recipe import TagSettings
from erya.tasks.tag.schemes import TagSet
from erya.tasks.tag.targets import ENTITIES, TAGS
from erya.tasks.tag.task import TagTask
from erya.tasks.texts import LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

FILES = {
    "msra_ner": ("train.bio.xz", "test.bio"),
    "resume_ner": ("train.char.bmes", "dev.char.bmes", "test.char.bmes"),
    "cluener": ("train.json.xz", "dev.json"),
}
# Entities; how many of them begin or end where no token of the common vocabulary does; and how many overlap
# one before them, which tags cannot say.
CASES = [
    ("msra_ner", "linear", (80_901, 0, 0)),
    ("resume_ner", "linear", (16_567, 0, 0)),
    ("cluener", "linear", (27_044, 15, 2)),
    ("cluener", "span_pairs", (27_044, 15, 0)),
]
_CHUNK = 2000


@pytest.fixture
def tokenizer(real_data, tmp_path) -> Tokenizer:
    (vocabulary,) = (path for path in (real_data / "tasks" / "vocab").iterdir() if path.suffix == ".txt")
    (tmp_path / "vocab.txt").write_bytes(vocabulary.read_bytes())
    return Tokenizer.open(tmp_path)


def right_outputs(task: TagTask, encoded) -> list[np.ndarray]:
    """What a network would give that knows the targets."""
    outputs = []
    for item in encoded.features:
        if task.options.head == "span_pairs":
            pairs = item.row_targets[ENTITIES]
            outputs.append(np.column_stack([pairs, np.ones(len(pairs))]))
        else:
            tags = item.row_targets[TAGS]
            outputs.append(9.0 * (tags[:, None] == np.arange(len(task.labels))))
    return outputs


def lost(examples: list[Example], task: TagTask, tokenizer: Tokenizer) -> tuple[set, int]:
    """The spans that do not come back, as (example, start, end, type), and how many were reported."""
    gone, reported = set(), 0
    for begin in range(0, len(examples), _CHUNK):
        part = examples[begin : begin + _CHUNK]
        encoded = task.encode(part, tokenizer, limit=LengthLimit(128, False, 512))
        reported += sum(encoded.report.misfits.values())
        found = task.decode(right_outputs(task, encoded), encoded, part)
        for number, (example, prediction) in enumerate(zip(part, found, strict=True), begin):
            gold = {(e.start, e.end, e.type) for e in example.entities}
            back = {(e.start, e.end, e.type) for e in prediction.entities}
            assert back <= gold, example.where
            gone |= {(number, *span) for span in gold - back}
    return gone, reported


@pytest.mark.parametrize(("name", "head", "counts"), CASES)
def test_gold_spans_survive(
    name: str, head: str, counts: tuple[int, int, int], real_data: Path, tokenizer: Tokenizer
) -> None:
    examples = [
        example
        for file in FILES[name]
        for example in read_examples(real_data / "tasks" / name / file, columns={}, labelled=True)
    ]
    types = sorted({entity.type for example in examples for entity in example.entities})
    labels = tuple(types) if head == "span_pairs" else TagSet.of_types("bio", types).labels
    task = TagTask(labels, TagSettings(head=head, bad_entities="skip", stride=40))
    gone, reported = lost(examples, task, tokenizer)
    inside = overlapping = 0
    for number, start, end, _ in gone:
        spans = tokenizer.encode(examples[number].text).spans[1:-1]
        others = [(e.start, e.end) for e in examples[number].entities]
        if start not in spans[:, 0] or end not in spans[:, 1]:
            inside += 1
        else:
            assert any(a < end and start < b and (a, b) != (start, end) for a, b in others) or (
                others.count((start, end)) > 1
            )
            overlapping += 1
    num_entities = sum(len(example.entities) for example in examples)
    assert (num_entities, inside, overlapping) == counts and reported == len(gone)
