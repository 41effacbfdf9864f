import pytest

from erya.demo.comparison import Comparison


def compared(pretrained: list[float], twin: list[float]) -> Comparison:
    return Comparison(pretrained=pretrained, twin=twin, baseline=0.8, num_test=1000)


def test_a_gain_beyond_two_deviations_is_called_one() -> None:
    better = compared([0.90, 0.91, 0.92], [0.80, 0.82, 0.84])
    assert better.gain == pytest.approx(0.09)
    assert better.deviation == pytest.approx(0.02), "the larger of the two"
    assert (
        better.verdict == "Pre-training is worth 9.0 points, 4.0 being two standard deviations over 3 seeds."
    )


def test_a_gain_within_two_deviations_is_not() -> None:
    assert "not shown to help" in compared([0.84, 0.85, 0.86], [0.80, 0.82, 0.84]).verdict
    assert "not shown to help" in compared([0.7, 0.7], [0.8, 0.8]).verdict


def test_the_page_has_the_table_and_the_verdict() -> None:
    page = compared([0.90, 0.91, 0.92], [0.80, 0.82, 0.84]).markdown()
    assert page.startswith("Accuracy on 1,000 test reviews.\n\n| model | accuracy, mean |")
    assert "| TF-IDF + logistic regression | 80.0 % |  |  |" in page
    assert "| the encoder, pre-trained | 91.0 % | 1.0 | 90.0 91.0 92.0 |" in page
    assert page.count("\n| ") == 5 and "is worth 9.0 points" in page
