"""Every task's answers as outcomes: the measures are the task's own scores, pages escape all they show."""

from dataclasses import replace

import numpy as np
import pytest
from made_outcomes import (
    LABELS,
    MAKERS,
    NASTY,
    Made,
    classified,
    embedded,
    evaluation_of,
    read,
    reranked,
    searched,
    tagged,
)

pytest.importorskip("torch")

from erya.errors import InputError
from erya.evaluate.adapters.adapter import class_table
from erya.evaluate.adapters.table import adapter_for
from erya.evaluate.curves import recall_curves
from erya.evaluate.estimates import estimate_all
from erya.evaluate.outcome import Mark
from erya.evaluate.report import render_report, suspected_labels
from erya.evaluate.sections import farthest
from erya.tasks.tag.reading import Entity, Example
from erya.tasks.tag.recipe import TagSettings
from erya.tasks.tag.task import Prediction, TagTask

# What the task's own scores call the measures of the report.
SHARED = {
    "classify": {"accuracy", "macro_f1", "weighted_f1"},
    "multi-label": {"micro_f1", "macro_f1", "subset_accuracy"},
    "sets": {"accuracy"},
    "tag": {"f1", "precision", "recall", "macro_f1"},
    "answer": {"f1", "exact_match"},
    "match": {"accuracy", "macro_f1"},
    "inference": {"accuracy", "macro_f1"},
    "regress": {"spearman", "pearson", "mean_squared_error"},
    "embed": {"spearman", "pearson"},
}


@pytest.mark.parametrize("name", MAKERS)
def test_measures_equal_the_tasks_own_scores(name):
    made = MAKERS[name](80)
    numbers = made.scores().numbers()
    found = {one.name: one for one in estimate_all(made.ledger())}
    assert SHARED[name] <= found.keys() & numbers.keys()
    for key in found.keys() & numbers.keys():
        one = found[key]
        assert one.value == pytest.approx(numbers[key], abs=1e-9), key
        assert one.low <= one.value <= one.high and one.low < one.high


@pytest.mark.parametrize("name", MAKERS)
def test_the_page_escapes_every_text(name, tmp_path):
    done = evaluation_of(MAKERS[name](60), tmp_path / "f.tsv")
    html = render_report(done, training=[], suspected=suspected_labels(done, None))
    assert "<script>alert" not in html and "&lt;script&gt;" in html
    assert "http-equiv" not in html and "src=" not in html
    for label in ("<b>差", "<LOC>", "<i>", "？<b>"):
        assert label not in html
    assert "Parts of the file" in html and "What it cost" in html and "seed" in html
    assert done.to_dict()["intervals"]


def test_class_tables_equal_the_tasks_own():
    made = classified(90)
    rows = class_table(adapter_for(made.task), made.ledger().counts.sums())
    for row, own in zip(rows, made.scores().classes, strict=True):
        assert row["f1"] == pytest.approx(own.f1) and row["support"] == own.support
        assert row["precision"] == pytest.approx(own.precision) and row["predicted"] == own.predicted


def test_entities_are_right_by_bounds_and_type_and_confusions_by_bounds():
    task = TagTask(("PER", "LOC"), TagSettings(head="span_pairs"))
    text = "王小明在北京上海"
    gold = (Entity(0, 3, "PER", "王小明"), Entity(4, 6, "LOC", "北京"), Entity(6, 8, "LOC", "上海"))
    found = (
        Entity(0, 3, "PER", "王小明", 0.9),
        Entity(4, 6, "PER", "北京", 0.8),
        Entity(7, 8, "LOC", "海", 0.7),
    )
    outcome = adapter_for(task).outcome(Example(text, gold, "f, line 3", 3), Prediction(text, found))
    assert not outcome.is_right and outcome.num_true == 3
    assert [claim.is_right for claim in outcome.claims] == [True, False, False]
    assert sorted(outcome.cells) == [(0, 0), (1, 0), (1, 2), (2, 1)]  # 上海 missed, 海 invented
    assert outcome.severity == pytest.approx(0.8 + 0.7 + 2 * 0.5)
    assert outcome.gold[0] == Mark(0, 3, "PER") and outcome.truth.startswith("PER 王小明")
    strange = Example(text, (Entity(0, 1, "ORG", "王"),), "f, line 4", 4)
    with pytest.raises(InputError, match="'ORG'"):
        adapter_for(task).outcome(strange, Prediction(text, ()))


def test_no_answer_is_an_answer():
    made = read(30)
    outcomes = [
        adapter_for(made.task).outcome(*both) for both in zip(made.examples, made.answers, strict=True)
    ]
    refused = [one for one, example in zip(outcomes, made.examples, strict=True) if not example.answers]
    assert {one.truth for one in refused} == {"no answer"}
    assert all(one.is_right == (one.predicted == "no answer") for one in refused)
    assert {"unanswerable", "answerable_f1"} <= {one.name for one in estimate_all(made.ledger())}


def test_spans_are_marked_on_the_page(tmp_path):
    html = render_report(evaluation_of(tagged(40), tmp_path / "f"), training=[])
    assert 'class="gold found"' in html and "−PER" in html and "+&lt;LOC&gt;" in html and "✓PER" in html


def test_confident_learning_finds_what_was_flipped(tmp_path):
    made = classified(400)
    certain = [
        type(answer)(
            answer.text,
            example.label,
            {label: 0.98 if label == example.label else 0.01 for label in LABELS},
        )
        for example, answer in zip(made.examples, made.answers, strict=True)
    ]
    flipped = [
        type(one)(one.text, None, LABELS[(LABELS.index(one.label) + 1) % 3], one.where, one.line)
        if number % 40 == 7
        else one
        for number, one in enumerate(made.examples)
    ]
    done = evaluation_of(Made(made.task, flipped, certain), tmp_path / "f.tsv")
    (group,) = suspected_labels(done, None)
    assert sorted(row.line for row in group.rows) == [one.line for one in flipped[7::40]]
    by_line = {example.line: example for example in made.examples}
    assert all(row.suggested == by_line[row.line].label and NASTY in row.text for row in group.rows)
    assert np.isclose(group.errors.error_share, 0.025, atol=0.01)


def test_doubtful_candidates_have_their_own_texts_though_a_line_has_several(tmp_path):
    made = reranked(100)
    done = evaluation_of(made, tmp_path / "candidates.jsonl")
    (group,) = suspected_labels(done, None)
    by_texts = {(example.text, example.pair): example for example in made.examples}
    found = {(row.text, row.pair) for row in group.rows}
    assert len(found) == len(group.rows) > 1
    for row in group.rows:
        example = by_texts[row.text, row.pair]
        assert (row.line, row.label) == (example.line, example.target)


def test_doubtful_labels_of_several_are_joined_as_files_have_them(tmp_path):
    made = MAKERS["multi-label"](200)
    done = evaluation_of(made, tmp_path / "f.tsv")
    (group,) = suspected_labels(done, None)
    by_line = {example.line: example for example in made.examples}
    assert group.rows and all(row.label == by_line[row.line].label for row in group.rows)
    assert all(row.suggested != row.label for row in group.rows)


def test_questions_are_named_as_the_file_does():
    made = read(6)
    assert [
        adapter_for(made.task).outcome(*made_of).name
        for made_of in zip(made.examples, made.answers, strict=True)
    ] == list("234567")


def test_pairs_of_three_labels_have_curves_calibration_and_doubtful_labels(tmp_path):
    made = MAKERS["inference"](90)
    done = evaluation_of(made, tmp_path / "f.tsv")
    rows, truths, _ = done.ledger.distributions()
    assert rows.shape == (90, 3)
    for row, truth, example, answer in zip(rows, truths, made.examples, made.answers, strict=True):
        assert row == pytest.approx([answer.scores[label] for label in LABELS])
        assert LABELS[int(truth.argmax())] == example.target
    assert done.calibration is not None and len(recall_curves(done.ledger)) == 3
    assert suspected_labels(done, None)
    worst = done.mistakes[0]
    surest = max(
        a.scores[a.label] for e, a in zip(made.examples, made.answers, strict=True) if a.label != e.target
    )
    assert worst.probability == pytest.approx(surest)


def test_vectors_without_scores_show_how_well_texts_are_found_and_nothing_else(tmp_path):
    done = evaluation_of(searched(30), tmp_path / "f.tsv")
    assert farthest(done) == [] and done.other_numbers == []
    html = render_report(done, training=[])
    found = done.scores.numbers()
    assert {one.name for one in done.estimates} == found.keys()
    for one in done.estimates:
        assert one.title in html and f"<b>{found[one.name]:.4f}</b>" in html
        assert one.low < one.value < one.high
    assert "Spearman" not in html and "Against the truth" not in html
    assert "everything was answered as the truth says" not in html and "Parts of the file" not in html


@pytest.mark.parametrize("name", ["regress", "inference"])
def test_probabilities_have_a_column_where_there_are_some(tmp_path, name):
    html = render_report(evaluation_of(MAKERS[name](60), tmp_path / "f.tsv"), training=[])
    with_probabilities = name == "inference"
    assert ("<th>probability</th>" in html) == ("<h2>Probabilities</h2>" in html) == with_probabilities
    assert ("Against the truth" in html) != with_probabilities


def test_equal_truths_share_their_rank_when_the_farthest_are_looked_for(tmp_path):
    made = embedded(200)
    turned = Made(made.task, made.examples[::-1], made.answers[::-1])
    found, again = (farthest(evaluation_of(one, tmp_path / "f.tsv")) for one in (made, turned))
    assert [one.severity for one in found] == pytest.approx([one.severity for one in again])


def test_spans_that_do_not_fit_stand_in_the_report(tmp_path):
    done = evaluation_of(tagged(20), tmp_path / "f.tsv")
    assert "Annotated spans that do not fit" not in render_report(done, training=[])
    done.encoding.note_misfit("begin inside a token", "f, line 3")
    html = render_report(done, training=[])
    assert (
        "Annotated spans that do not fit" in html and "1 begin inside a token" in html and "f, line 3" in html
    )


def test_how_many_suspects_the_file_has_is_said(tmp_path):
    done = evaluation_of(classified(120), tmp_path / "f.tsv")
    (group,) = suspected_labels(done, None)
    assert len(group.rows) > 2
    assert "All suspects are in" in render_report(done, training=[], suspected=[group])
    few = replace(group, rows=group.rows[:2])
    assert "The first 2 suspects are in" in render_report(done, training=[], suspected=[few])
