"""Multi-label scores by hand, and what is done with nothing; scikit-learn is asked in `tests/parity`."""

import json

import numpy as np
import pytest

from erya.metrics.multilabel import MultiLabelCounts

TRUTH = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]])
SAID = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0]])


def count(truth, said):
    counts = MultiLabelCounts("甲乙丙")
    counts.add(truth, said)
    return counts.scores()


def test_by_hand():
    scores = count(TRUTH, SAID)
    assert scores.numbers() == {
        "micro_f1": pytest.approx(2 / 3),
        "macro_f1": pytest.approx(2 / 3),
        "weighted_f1": pytest.approx(2 / 3),
        "samples_f1": pytest.approx((2 / 3 + 2 / 3 + 0) / 3),
        "subset_accuracy": pytest.approx(1 / 3),
        "hamming_loss": pytest.approx(2 / 9),
    }
    assert [(row.label, row.support, row.predicted, row.f1) for row in scores.labels] == [
        ("甲", 1, 1, 1.0),
        ("乙", 1, 1, 1.0),
        ("丙", 1, 1, 0.0),
    ]


def test_nothing_is_zero_not_an_error():
    scores = count(np.zeros((0, 3)), np.zeros((0, 3)))
    assert set(scores.numbers().values()) == {0.0}
    assert scores.num_examples == 0


def test_everything_is_json():
    written = json.loads(json.dumps(count(TRUTH, SAID).to_dict()))
    assert written["examples"] == 3
    assert written["micro"]["f1"] == pytest.approx(2 / 3)
    assert written["labels"][2]["label"] == "丙"


@pytest.mark.parametrize(
    ("truth", "said"), [(TRUTH, SAID[:2]), (TRUTH[:, :2], SAID[:, :2]), (TRUTH[0], SAID[0])]
)
def test_refuses_other_columns(truth, said):
    with pytest.raises(ValueError):
        count(truth, said)
