"""What studies are judged by: tags of entities, entities of tags, and their F1 as seqeval counts them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "study_tasks.py"
TAGS = ["O", "B-地", "I-地", "B-人", "I-人"]


@pytest.fixture(scope="module")
def tasks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_tasks", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["study_tasks"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def characters(number: int) -> np.ndarray:
    return np.array([[place, place + 1] for place in range(number)])


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["O", "B-地", "I-地", "O"], {("地", 1, 2)}),
        (["B-地", "B-地", "I-地"], {("地", 0, 0), ("地", 1, 2)}),
        (["B-地", "I-人", "I-人"], {("地", 0, 0), ("人", 1, 2)}),
        (["O", "I-地", "I-地", "O", "I-地"], {("地", 1, 2), ("地", 4, 4)}),
        (["I-人", "B-人", "O"], {("人", 0, 0), ("人", 1, 1)}),
        (["O", "O"], set()),
    ],
)
def test_entities_are_read_as_seqeval_does(
    tasks: ModuleType, tags: list[str], expected: set[tuple[str, int, int]]
) -> None:
    assert tasks.entities_of(tags, characters(len(tags))) == expected


def test_entities_become_tags_and_tags_entities(tasks: ModuleType) -> None:
    entities = {("人", 0, 2), ("地", 4, 6)}
    # [CLS], 0-1, 1-2, 2-3, 3-4, a piece of three letters 4-7, [SEP]
    spans = np.array([[0, 0], [0, 1], [1, 2], [2, 3], [3, 4], [4, 7], [0, 0]])
    tags = tasks.tags_of(entities, spans, TAGS)
    assert [TAGS[tag] for tag in tags] == ["O", "B-人", "I-人", "I-人", "O", "B-地", "O"]
    assert tasks.entities_of([TAGS[tag] for tag in tags[1:-1]], spans[1:-1]) == entities


def test_f1_counts_whole_entities(tasks: ModuleType) -> None:
    true = [{("人", 0, 2), ("地", 4, 6)}, {("人", 1, 1)}]
    predicted = [{("人", 0, 2), ("地", 4, 5)}, set()]
    assert tasks.f1_of(predicted, true) == pytest.approx(2 * 1 / (2 + 3))
    assert tasks.f1_of([set()], [set()]) == 0.0
