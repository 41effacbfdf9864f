import numpy as np
import pytest

from erya.demo.comparison import Comparison, Right, standard_error

TEXTS = 1000


def runs(*accuracies: float) -> Right:
    """A run an accuracy: the first texts are right, so that better runs have right what worse ones have."""
    return np.array([np.arange(TEXTS) < round(accuracy * TEXTS) for accuracy in accuracies])


def compared(pretrained: Right, twin: Right, adapted: Right) -> Comparison:
    return Comparison("erya-mini", pretrained, adapted, twin, runs(0.8))


def test_gains_beyond_two_standard_errors_are_called_so() -> None:
    verdict = compared(runs(0.90, 0.91, 0.92), runs(0.80, 0.82, 0.84), runs(0.94, 0.94, 0.94)).verdict
    assert verdict.splitlines() == [
        "erya-mini is 11.0 points above TF-IDF (standard error 1.1).",
        "erya-mini is 9.0 points above random weights (standard error 1.5).",
        "Adapted to the raw text it is 3.0 points above itself before (standard error 0.7).",
        "Adapted it is 14.0 points above TF-IDF (standard error 1.1).",
    ]


@pytest.mark.parametrize("twin", [runs(0.85, 0.85, 0.85), runs(0.95, 0.85, 0.74)])
def test_a_gain_within_two_is_not(twin: Right) -> None:
    line = compared(runs(0.84, 0.85, 0.86), twin, runs(0.9, 0.9)).verdict.splitlines()[1]
    assert line.endswith(": not shown to differ.")


def test_a_loss_is_called_one() -> None:
    verdict = compared(runs(0.70, 0.71, 0.72), runs(0.6, 0.6), runs(0.60, 0.61, 0.62)).verdict
    assert "erya-mini is 9.0 points below TF-IDF (" in verdict
    assert "Adapted to the raw text it is 10.0 points below itself before (" in verdict


def test_the_standard_error_is_that_of_drawing_texts_and_seeds_anew() -> None:
    rng = np.random.default_rng(0)
    differences = []
    for _ in range(3000):
        skill = rng.normal(0.8, 0.02, (2, 3, 1))  # of each seed
        texts = rng.random((1, 1, 400)) ** 2 - 1 / 3  # hard for both, or easy
        right = rng.random((2, 3, 400)) < skill + 0.3 * texts
        differences.append((right[0].mean() - right[1].mean(), standard_error(right[0], right[1])))
    found, told = np.array(differences).T
    assert np.mean(told) == pytest.approx(found.std(), rel=0.1)


def test_the_page_has_the_table_and_the_verdict() -> None:
    page = compared(runs(0.90, 0.91, 0.92), runs(0.80, 0.82, 0.84), runs(0.93, 0.94, 0.95)).markdown()
    assert page.startswith("Accuracy on 1,000 test reviews.\n\n| model | accuracy, mean |")
    assert "| TF-IDF + logistic regression | 80.0 % |  |  |" in page
    assert "| erya-mini | 91.0 % | 1.0 | 90.0 91.0 92.0 |" in page
    assert page.count("\n| ") == 6 and "9.0 points above random weights" in page
