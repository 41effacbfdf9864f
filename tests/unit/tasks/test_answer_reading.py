"""Files of questions: what is read, what is refused, what is mended. No torch."""

import json

import pytest

from erya.data.annotations.squad import GoldAnswer
from erya.errors import InputError
from erya.tasks.answer.kind import AnswerKind
from erya.tasks.answer.reading import check_answers, places_of, read_questions
from erya.tasks.answer.recipe import AnswerRecipe

COLUMNS = {"question": "question", "context": "context", "answers": "answers"}
CONTEXT = "范廷颂生于宁平省，任主教。主教"


def rows_file(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def row(answers, **more):
    return {"question": "生于哪里？", "context": CONTEXT, "answers": answers, **more}


def document_file(path, *questions):
    content = {"version": "v1.0", "data": [{"paragraphs": [{"context": CONTEXT, "qas": list(questions)}]}]}
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def read(path, *, labelled=True, columns=COLUMNS):
    return list(read_questions(path, columns=columns, labelled=labelled))


@pytest.mark.parametrize(
    "answers",
    [
        [{"text": "宁平省", "start": 5}],
        [{"text": "宁平省", "answer_start": 5}],
        {"text": ["宁平省"], "answer_start": [5]},
        ["宁平省"],
    ],
)
def test_answers_are_read_in_every_shape(tmp_path, answers):
    (example,) = read(rows_file(tmp_path / "a.jsonl", row(answers, id="q7")))
    assert example.answers == (GoldAnswer(5, 8, "宁平省"),) and example.id == "q7" and example.line == 1
    assert CONTEXT[5:8] == "宁平省"


def test_columns_may_have_other_names_and_answers_may_be_unwanted(tmp_path):
    path = rows_file(tmp_path / "a.jsonl", {"问": "生于哪里？", "文": CONTEXT, "答": []})
    names = {"question": "问", "context": "文", "answers": "答"}
    (example,) = read(path, columns=names)
    assert example.answers == () and example.question == "生于哪里？"
    (unlabelled,) = read(path, columns=names, labelled=False)
    assert unlabelled.answers is None


def test_a_table_holds_answers_as_json(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text(f'question\tcontext\tanswers\n哪里\t{CONTEXT}\t[{{"text": "宁平省", "start": 5}}]\n')
    (example,) = read(path)
    assert example.answers == (GoldAnswer(5, 8, "宁平省"),) and example.where.endswith("line 2")


def test_a_document_is_read_by_line_and_name(tmp_path):
    path = document_file(
        tmp_path / "a.json",
        {"question": "哪里？", "id": "Q0", "answers": [{"text": "宁平省", "answer_start": 5}]},
        {"question": "何时？", "id": "Q1", "is_impossible": True, "answers": []},
        {"question": "什么职务？", "id": "Q2", "answers": [{"text": "主教", "answer_start": -1}]},
    )
    first, second, third = read(path)
    assert first.answers == (GoldAnswer(5, 8, "宁平省"),) and second.answers == ()
    assert third.answers == (GoldAnswer(-1, -1, "主教"),)
    assert [one.answers for one in read(path, labelled=False)] == [None] * 3
    assert (first.id, third.id) == ("Q0", "Q2") and "Q2" in third.where and third.line > first.line > 1


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row([{"text": "宁平省", "start": 5}], question="　"), "question is empty"),
        (row([{"text": "宁平省", "start": 5}], context=""), "context is empty"),
        (row([{"text": "", "start": 5}]), "no text"),
        (row([{"start": 5}]), "no text"),
        ({"question": "哪里", "context": CONTEXT}, "'answers'"),
    ],
)
def test_what_cannot_be_used_is_refused_by_line(tmp_path, bad, message):
    good = row([{"text": "宁平省", "start": 5}])
    with pytest.raises(InputError, match=message) as caught:
        read(rows_file(tmp_path / "a.jsonl", good, bad))
    assert "a.jsonl, line 2" in str(caught.value)


def test_json_lines_may_be_called_json(tmp_path):
    (example,) = read(rows_file(tmp_path / "a.json", row([{"text": "宁平省", "start": 5}])))
    assert example.answers == (GoldAnswer(5, 8, "宁平省"),)


def test_a_document_without_answers_is_no_training_file(tmp_path):
    path = document_file(tmp_path / "a.json", {"question": "哪里？", "id": "Q0"})
    with pytest.raises(InputError, match="no answers") as caught:
        read(path)
    assert "Q0" in str(caught.value)
    assert read(path, labelled=False)[0].answers is None


def broken(tmp_path):
    """An answer that occurs once elsewhere, one that occurs twice, one that is not there, a good one."""
    return read(
        rows_file(
            tmp_path / "bad.jsonl",
            row([{"text": "宁平省", "start": 4}]),
            row([{"text": "主教", "start": 0}]),
            row([{"text": "河内", "start": -1}]),
            row([{"text": "宁平省", "start": 5}]),
        )
    )


def test_answers_out_of_place_are_listed_when_refused(tmp_path):
    with pytest.raises(InputError, match="3 answers are not in their context") as caught:
        check_answers(broken(tmp_path), "refuse", name="training")
    message = str(caught.value)
    assert "line 1: '宁平省' occurs 1 times" in message and "'主教' occurs 2 times" in message
    assert "line 3: '河内' is not in the context" in message and "line 4" not in message
    assert "bad_answers=mend (1 occur once" in message


@pytest.mark.parametrize(("choice", "places", "said"), [("mend", [5], "1 mended"), ("skip", [], "0 mended")])
def test_answers_out_of_place_are_mended_or_skipped_with_counts(tmp_path, choice, places, said):
    examples = broken(tmp_path)
    found = [places_of(example, choice) for example in examples]
    assert [start for each in found[:3] for start, _ in each] == places and found[3] == [(5, 8)]
    (line,) = check_answers(examples, choice, name="training")
    assert said in line and line.startswith("training: 3 answers")
    assert check_answers(examples[3:], choice, name="training") == []


def test_places_that_overlap_are_two(tmp_path):
    path = rows_file(tmp_path / "a.jsonl", row([{"text": "哈哈", "start": 9}], context="笑哈哈哈"))
    assert places_of(read(path)[0], "mend") == []


def recipe(**changes):
    return AnswerRecipe(model="m", train_file="train.jsonl", dev_file="dev.jsonl", **changes)


def test_the_kind_checks_both_files_and_describes_them(tmp_path):
    kind, examples = AnswerKind(), broken(tmp_path)
    with pytest.raises(InputError, match="3 answers"):
        kind.task_for(recipe(), examples)
    task = kind.task_for(recipe(bad_answers="skip", max_answer_length=2, stride=9), examples)
    assert task.options.stride == 9 and not task.options.can_abstain
    lines = kind.describe(task, examples, examples[3:])
    assert lines[0].startswith("4 training and 1 dev questions; without an answer: 0+0")
    assert any("2 training answers are longer than max_answer_length=2" in line for line in lines)
    assert any("1 dev questions (100.0%) stand in the training file" in line for line in lines)
    with pytest.raises(InputError, match="3 answers"):
        kind.check(kind.task_for(recipe(), examples[3:]), examples)


def test_questions_without_answers_are_found_and_warned_of(tmp_path):
    kind = AnswerKind()
    answered, empty = read(
        rows_file(tmp_path / "a.jsonl", row([{"text": "宁平省", "start": 5}]), row([], question="何时？"))
    )
    assert kind.task_for(recipe(), [answered, empty]).options.can_abstain
    task = kind.task_for(recipe(), [answered])
    assert any(
        "some dev questions have no answer" in line for line in kind.describe(task, [answered], [empty])
    )
    with pytest.raises(InputError, match="nothing can be learnt"):
        kind.task_for(recipe(), [empty])
