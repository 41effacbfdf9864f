"""Classification scores against scikit-learn, and at their edges."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from erya.metrics.classification import ConfusionCounts

sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn (extra demo) is the reference")


def count(truth, predicted, classes):
    counts = ConfusionCounts([f"类{c}" for c in range(classes)])
    counts.add(truth, predicted)
    return counts.scores()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_scikit_learn(data):
    """Also with classes that never occur or are never predicted."""
    classes = data.draw(st.integers(2, 6))
    pairs = data.draw(st.lists(st.tuples(*[st.integers(0, classes - 1)] * 2), min_size=1, max_size=40))
    truth, predicted = map(np.array, zip(*pairs, strict=True))
    scores = count(truth, predicted, classes)

    every = range(classes)
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        truth, predicted, labels=every, zero_division=0
    )
    assert scores.accuracy == pytest.approx(sklearn.accuracy_score(truth, predicted))
    assert [c.precision for c in scores.classes] == pytest.approx(precision)
    assert [c.recall for c in scores.classes] == pytest.approx(recall)
    assert [c.f1 for c in scores.classes] == pytest.approx(f1)
    assert [c.support for c in scores.classes] == support.tolist()
    assert scores.confusion.tolist() == sklearn.confusion_matrix(truth, predicted, labels=every).tolist()
    for average in ("macro", "weighted"):
        expected = sklearn.precision_recall_fscore_support(truth, predicted, average=average, zero_division=0)
        got = getattr(scores, average)
        assert (got.precision, got.recall, got.f1) == pytest.approx(expected[:3])


def test_batches_add_up_in_any_order():
    rng = np.random.default_rng(7)
    truth, predicted = rng.integers(0, 4, (2, 100))
    whole, parts = ConfusionCounts("甲乙丙丁"), ConfusionCounts("甲乙丙丁")
    whole.add(truth, predicted)
    for start in (60, 0, 30):
        end = {60: 100, 0: 30, 30: 60}[start]
        parts.add(truth[start:end], predicted[start:end])
    assert (whole.counts == parts.counts).all()


@pytest.mark.parametrize(
    ("truth", "predicted", "answer"),
    [([0, 1, 2], [1, 1, 1], "类1"), ([1, 1], [1, 1], None), ([0, 1], [1, 0], None), ([], [], None)],
)
def test_one_answer_to_everything_is_noticed(truth, predicted, answer):
    assert count(truth, predicted, 3).only_answer == answer


def test_nothing_scored_is_zero_not_an_error():
    scores = count([], [], 3)
    assert scores.num_examples == 0
    assert scores.accuracy == scores.macro.f1 == scores.weighted.f1 == 0.0


def test_truth_is_rows_and_prediction_is_columns():
    scores = count([0, 0, 1], [1, 1, 1], 2)
    assert scores.confusion.tolist() == [[0, 2], [0, 1]]
    assert scores.classes[1].precision == pytest.approx(1 / 3)
    assert scores.classes[0].precision == 0.0  # never predicted


def test_numbers_to_watch():
    scores = count([0, 0, 1], [1, 0, 1], 3)
    assert scores.numbers() == {
        "accuracy": pytest.approx(2 / 3),
        "macro_f1": pytest.approx(2 / 3),  # the third class never occurs
        "weighted_f1": pytest.approx(2 / 3),
    }
    assert count([0, 0, 0, 1], [0, 0, 1, 1], 2).numbers()["weighted_f1"] == pytest.approx(
        0.8 * 0.75 + 2 / 3 / 4
    )


def test_scores_are_json():
    assert json.loads(json.dumps(count([0, 1], [0, 1], 2).to_dict()))["accuracy"] == 1.0


@pytest.mark.parametrize(("truth", "predicted"), [([0, 1], [0]), ([0, 3], [0, 1]), ([-1], [0])])
def test_refuses_indices_that_are_no_classes(truth, predicted):
    with pytest.raises(ValueError):
        count(truth, predicted, 3)
