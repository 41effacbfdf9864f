"""CMRC 2018 in full: every answer survives encoding and decoding in windows, or is listed with the reason."""

import dataclasses
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from erya.errors import InputError
from erya.tasks.answer.placing import INSIDE_A_TOKEN, OUT_OF_PLACE, TRIMMED
from erya.tasks.answer.reading import places_of, read_questions
from erya.tasks.answer.recipe import AnswerSettings
from erya.tasks.answer.task import AnswerTask
from erya.tasks.texts import LengthLimit
from erya.tokenizer.wordpiece import Tokenizer

TASKS = Path(os.environ.get("ERYA_DATA", "absent")) / "tasks"
pytestmark = pytest.mark.skipif(not TASKS.is_dir(), reason="ERYA_DATA names no folder with tasks/")

LIMIT = LengthLimit(max_length=384, truncate=False, model_limit=512)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    shutil.copy(TASKS / "vocab" / "bert-base-chinese-vocab.txt", folder / "vocab.txt")
    return Tokenizer.open(folder)


def sure_logits(features):
    """What a network says that knows the targets."""
    logits = np.zeros((len(features.ids), 2), dtype=np.float32)
    first, last = features.targets["answer"].tolist()
    if first >= 0:
        logits[first, 0] = logits[last, 1] = 20.0
    return logits


@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("train.json.xz", {TRIMMED: 37, INSIDE_A_TOKEN: 5, OUT_OF_PLACE: 1}),
        ("dev.json.xz", {TRIMMED: 13, INSIDE_A_TOKEN: 3, OUT_OF_PLACE: 193}),
    ],
)
def test_answers_survive(tokenizer, name, listed):
    task = AnswerTask(AnswerSettings(bad_answers="mend", max_answer_length=200, num_answers=1))
    read = read_questions(TASKS / "cmrc2018" / name, columns={}, labelled=True)
    # An example for every answer, so that each is tried.
    examples = [dataclasses.replace(e, answers=(answer,)) for e in read for answer in e.answers]
    encoded = task.encode(examples, tokenizer, limit=LIMIT)
    assert encoded.report.misfits == listed
    learnt = Counter(
        owner
        for owner, item in zip(encoded.owners.tolist(), encoded.features, strict=True)
        if item.targets["answer"][0] > 0
    )
    assert len(learnt) == len(examples) - listed[INSIDE_A_TOKEN] - listed[OUT_OF_PLACE]
    predictions = task.decode([sure_logits(item) for item in encoded.features], encoded, examples)
    shifted = 0
    for number in learnt:
        example, (found,) = examples[number], predictions[number].answers
        ((start, end),) = places_of(example, "mend")
        if (found.start, found.end) != (start, end):
            shifted += 1
            assert found.text == example.context[start:end].strip()
        assert found.text == example.context[found.start : found.end]
    assert shifted == listed[TRIMMED]


def test_the_trial_file_has_an_empty_question():
    with pytest.raises(InputError, match="question is empty") as caught:
        list(read_questions(TASKS / "cmrc2018" / "trial.json", columns={}, labelled=True))
    assert "TRIAL_776_QUERY_4" in str(caught.value)
