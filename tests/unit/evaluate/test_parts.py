"""Parts of a file and their intervals; little is kept however many examples there are."""

import tracemalloc

import numpy as np
import pytest
from made_outcomes import LABELS, MAKERS, classified, evaluation_of, tagged

pytest.importorskip("torch")

from erya.evaluate.adapters.table import adapter_for
from erya.evaluate.estimates import estimate_all, parts_by_length, parts_by_script, parts_by_source
from erya.evaluate.ledger import Ledger
from erya.evaluate.sums import CountTable
from erya.tasks.classify.example import Example, Prediction


def add(ledger, text, truth, said, *, line=1, **options):
    scores = {label: 0.8 if label == said else 0.1 for label in LABELS}
    example = Example(text, None, truth, f"f, line {line}", line)
    ledger.add(ledger.adapter.outcome(example, Prediction(text, said, scores)), **options)


@pytest.fixture
def ledger():
    ledger = Ledger(adapter_for(classified(1).task), num_worst=5)
    for line in range(40):
        right = line % 4 != 0
        add(ledger, "国" * (8 + line), "好", "好" if right else "中", line=line, source="甲", seen="no")
    for line in range(40, 50):
        add(ledger, "國", "好", "中", line=line, source="<乙>", seen="verbatim" if line % 2 else "alike")
    return ledger


def accuracies(parts):
    return {part.name: (part.size, round(part.estimates[0].value, 4)) for part in parts}


def test_parts_by_length_script_source_and_training_file(ledger, tmp_path):
    assert accuracies(parts_by_length(ledger)) == {
        "0 to 15": (18, 0.3333),
        "16 to 31": (16, 0.75),
        "32 to 63": (16, 0.75),
    }
    assert accuracies(parts_by_script(ledger)) == {"simplified": (40, 0.75), "traditional": (10, 0.0)}
    assert accuracies(parts_by_source(ledger)) == {"甲": (40, 0.75), "<乙>": (10, 0.0)}
    done = evaluation_of(classified(30), tmp_path / "f", source="甲", seen="alike")
    assert any("30 of 30 texts stand in the training file" in warning for warning in done.warnings)
    paired = evaluation_of(MAKERS["inference"](6), tmp_path / "f", seen="alike")
    assert any("6 of 6 pairs stand in the training file" in warning for warning in paired.warnings)
    assert "source" in done.parts and "training" not in done.parts  # no training file was given


def test_intervals_cover_and_shrink_with_more_examples():
    widths = {}
    for number in (50, 800):
        (accuracy, *_) = estimate_all(classified(number).ledger())
        assert accuracy.low < accuracy.value < accuracy.high
        widths[number] = accuracy.high - accuracy.low
    assert widths[50] == pytest.approx(4 * widths[800], rel=0.35)
    single = estimate_all(classified(1).ledger())
    assert single[0].low is None


def test_sums_of_chosen_rows_equal_sums_of_the_rows_themselves():
    rng = np.random.default_rng(9)
    rows = rng.integers(0, 3, (200, 5)).astype(float)
    table = CountTable(5)
    for row in rows:
        table.add(row)
    chosen = rng.random(200) < 0.3
    np.testing.assert_allclose(table.sums(), rows.sum(axis=0))
    np.testing.assert_allclose(table.sums(chosen), rows[chosen].sum(axis=0))
    np.testing.assert_allclose(table.dense(chosen), rows[chosen])
    distinct, times = table.distinct(chosen)
    np.testing.assert_allclose(times @ distinct, rows[chosen].sum(axis=0))
    assert len(distinct) == len(np.unique(rows[chosen], axis=0))


def test_few_texts_are_kept_however_many_there_are():
    texts = ["国" * 400 + str(number) for number in range(2000)]
    tracemalloc.start()
    ledger = Ledger(adapter_for(classified(1).task), num_worst=5)
    for line, text in enumerate(texts):
        add(ledger, text + "!", "好", "中" if line % 2 else LABELS[1], line=line)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / len(texts) < 200  # a text alone takes more than 800
    assert len(ledger) == 2000 and len(ledger.worst()) == 5
    confused = ledger.confused(9)
    assert [count for _, count, _ in confused] == [1000, 1000] and len(confused[0][2]) == 3


def test_confused_entities_are_shown_where_they_stand():
    (_, _, examples), *_ = tagged(20).ledger().confused(1)
    assert all("【" in outcome.text and len(outcome.text) < 40 for outcome in examples)
