"""Files of each layout: what is read, what is left out and counted, what is refused."""

import json
import lzma

import pytest

from erya.data.annotations.annotated import Entity, read_entities
from erya.data.annotations.conll import read_conll
from erya.data.annotations.detection import detect_layout, read_annotated, read_questions
from erya.data.annotations.label_studio import read_label_studio
from erya.data.annotations.squad import GoldAnswer, read_answers, read_squad
from erya.data.problems import Problems, refuse
from erya.errors import InputError

CONLL = "我 O\n在 O\n北 B-LOC\n京 I-LOC\n\n\n李 B-PER\n四 I-PER\n"


def write(path, content):
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def json_lines(path, *rows):
    return write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def entities(annotated):
    return [(one.start, one.end, one.type) for one in annotated.entities]


def error(read, *arguments, **options):
    with pytest.raises(InputError) as caught:
        list(read(*arguments, **options))
    return str(caught.value)


def test_conll_sentences_have_texts_entities_and_lines(tmp_path):
    path = tmp_path / "a.txt.xz"
    path.write_bytes(lzma.compress(("\ufeff" + CONLL.replace("\n", "\r\n")).encode()))
    first, second = read_annotated(path)
    assert (first.text, entities(first), first.line) == ("我在北京", [(2, 4, "LOC")], 1)
    assert (second.text, entities(second), second.where) == ("李四", [(0, 2, "PER")], f"{path}, line 7")
    assert first.labels is None


def test_conll_words_columns_and_separator(tmp_path):
    path = write(tmp_path / "a.conll", "1\t我们\tr\tO\n2\t爱\tv\tO\n3\t北京\tns\tB-LOC\n")
    (one,) = read_conll(path, token_column=1)
    assert (one.text, entities(one)) == ("我们爱北京", [(3, 5, "LOC")])
    (one,) = read_conll(path, token_column=1, tag_column=2, separator=" ")
    assert (one.text, entities(one)) == ("我们 爱 北京", [(0, 2, "r"), (3, 4, "v"), (5, 7, "ns")])
    (one,) = read_conll(path, token_column=1, tag_column=None)
    assert (one.text, one.entities) == ("我们爱北京", None)
    (one,) = read_conll(path, token_column=1, tag_column=3, scheme="each")
    assert entities(one) == [(3, 5, "B-LOC")]
    assert "no column 4" in error(read_conll, path, token_column=4)


@pytest.mark.parametrize("content", ["A O\n  O\nB O\n", "A\tO\n \tO\nB\tO\n", "A\tO\n\tO\nB\tO\n"])
def test_a_space_may_be_a_token(tmp_path, content):
    (one,) = read_conll(write(tmp_path / "a.bio", content))
    assert one.text == "A B"


def test_broken_tags_are_refused_or_repaired_and_counted_with_their_lines(tmp_path):
    path = write(tmp_path / "a.bio", CONLL + "五 O\n王 I-PER\n")
    assert "line 10" in error(read_conll, path) and "goes on" in error(read_conll, path)
    problems = Problems()
    *_, last = read_conll(path, report=problems.note)
    assert entities(last) == [(0, 2, "PER"), (3, 4, "PER")]
    assert problems.counts == {"a broken tag": 1}
    assert "line 10" in problems.lines()[0] and "nearest reading" in problems.lines()[0]


def test_a_conll_line_that_lacks_a_column_is_an_error(tmp_path):
    assert "line 2" in error(read_conll, write(tmp_path / "a.bio", "我 O\n在\n"))
    assert "no sentence" in error(read_conll, write(tmp_path / "b.bio", "\n\n"))


def test_cluener_ends_are_inclusive_and_surfaces_are_checked(tmp_path):
    row = {"text": "我在北京见李四", "label": {"LOC": {"北京": [[2, 3]]}, "PER": {"李四": [[5, 6], [0, 1]]}}}
    path = json_lines(tmp_path / "a.json", row, {"text": "无", "label": {}}, {"text": "不知"})
    assert detect_layout(path) == "cluener"
    problems = Problems()
    first, second, third = read_annotated(path, report=problems.note)
    assert entities(first) == [(2, 4, "LOC"), (5, 7, "PER")]
    assert (second.entities, third.entities) == ((), None)
    (problem,) = problems.kept["an entity whose text is another"]
    assert problem.line == 1 and "'我在', not '李四'" in problem.what
    assert "line 1" in error(read_annotated, path)
    broken = json_lines(tmp_path / "b.json", {"text": "无", "label": {"LOC": [1]}})
    assert "malformed" in error(read_annotated, broken)


DOCCANO = [
    {"id": 1, "text": "我在北京", "label": [[2, 4, "LOC"], [2, 3, "A"]]},
    {"id": 2, "data": "我在北京", "labels": []},
    {
        "text": "北京",
        "entities": [{"id": 5, "start_offset": 0, "end_offset": 2, "label": "LOC"}],
        "relations": [],
    },
    {"text": "北京", "entities": [{"start": 0, "end": 2, "type": "LOC", "text": "北京", "score": 0.9}]},
    {"text": "服务好", "label": ["好", "服务", "好"]},
    {"text": "服务好", "cats": {"好": 1, "差": 0, "服务": True}},
    {"text": "服务好", "label": "好"},
]


def test_doccano_has_entities_or_labels(tmp_path):
    path = json_lines(tmp_path / "a.jsonl", *DOCCANO)
    assert detect_layout(path) == "doccano"
    read = list(read_annotated(path))
    assert [one.text for one in read[:3]] == ["我在北京", "我在北京", "北京"]
    assert entities(read[0]) == [(2, 3, "A"), (2, 4, "LOC")]
    assert (read[1].entities, read[1].labels) == ((), ())
    assert entities(read[2]) == entities(read[3]) == [(0, 2, "LOC")]
    assert [one.labels for one in read[4:]] == [("好", "服务"), ("好", "服务"), ("好",)]
    assert read[4].entities is None and read[0].labels is None
    assert read[6].line == 7


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ([2, 9, "LOC"], "an entity outside its text"),
        ([-1, 2, "LOC"], "an entity outside its text"),
        ([3, 2, "LOC"], "an entity outside its text"),
        ([2, 2, "LOC"], "an empty entity"),
        ([4, 5, "LOC"], "an empty entity"),
        ([2, 4, " "], "an entity without a type"),
        ([2, 4], "a malformed entity"),
        (["2", 4, "LOC"], "a malformed entity"),
        ([True, 4, "LOC"], "a malformed entity"),
        ({"start": 2, "end": 4, "type": "LOC", "text": "上海"}, "an entity whose text is another"),
        ([0, 1, "X"], "an entity twice"),
    ],
)
def test_entities_that_do_not_fit_are_left_out_one_by_one(value, kind):
    problems = Problems()
    given = [[0, 1, "X"], value]
    place = {"where": "f, line 3", "line": 3}
    kept = read_entities(given, "我在北京 ", **place, report=problems.note)
    assert kept == (Entity(0, 1, "X"),)
    assert problems.counts == {kind: 1}
    assert problems.kept[kind][0].line == 3
    with pytest.raises(InputError, match="line 3"):
        read_entities(given, "我在北京 ", **place, report=refuse)


def test_entities_may_be_absent_or_no_list():
    place = {"where": "f, line 3", "line": 3, "report": refuse}
    assert read_entities(None, "x", **place) is None
    with pytest.raises(InputError, match="malformed"):
        read_entities("LOC", "x", **place)


def region(start, end, text, *labels):
    value = {"start": start, "end": end, "text": text, "labels": list(labels)}
    return {"type": "labels", "from_name": "ner", "to_name": "text", "value": value}


LABEL_STUDIO = [
    {
        "id": 7,
        "data": {"text": "\U0001f600在北京"},
        "annotations": [
            {"was_cancelled": True, "result": [region(0, 1, "x", "BAD")]},
            {"result": [region(0, 1, "x", "BAD")]},
            {
                "ground_truth": True,
                "result": [
                    region(3, 5, "北京", "LOC", "CITY"),
                    {"type": "choices", "value": {"choices": ["好", "服务"]}},
                    {"type": "taxonomy", "value": {"taxonomy": [["酒店", "房间"]]}},
                ],
            },
        ],
    },
    {"id": 8, "data": {"text": "没有", "title": "题"}, "annotations": [{"result": []}]},
]


def test_label_studio_json(tmp_path):
    path = write(tmp_path / "a.json", LABEL_STUDIO)
    assert detect_layout(path) == "label_studio"
    first, second = read_annotated(path)
    # The browser counted the emoji as two.
    assert entities(first) == [(2, 4, "CITY"), (2, 4, "LOC")]
    assert first.labels == ("好", "服务", "酒店/房间")
    assert (second.entities, second.labels) == ((), None)
    assert "task 8" in second.where and second.line > first.line > 1
    (named,) = [one.text for one in read_label_studio(path, text="title", report=refuse)][1:]
    assert named == "题"


def test_label_studio_leaves_out_what_it_cannot_use(tmp_path):
    other = {"type": "relation", "from_id": "a", "to_id": "b"}
    tasks = [
        {"id": 1, "data": {"text": "甲"}, "annotations": []},
        {"id": 2, "data": {"text": "乙乙"}, "annotations": [{"result": [other, region(0, 9, "乙", "X")]}]},
    ]
    problems = Problems()
    (one,) = read_label_studio(write(tmp_path / "a.json", tasks), report=problems.note)
    assert one.entities == ()
    assert set(problems.counts) == {
        "a task without an annotation",
        "another kind of region",
        "an entity outside its text",
    }
    assert "task 1" in error(read_label_studio, tmp_path / "a.json")
    nameless = [{"data": {"body": "甲", "title": "乙"}, "annotations": []}]
    assert "body, title" in error(read_label_studio, write(tmp_path / "b.json", nameless))
    assert "list of tasks" in error(read_label_studio, write(tmp_path / "c.json", {"a": 1}))


def test_label_studio_json_min(tmp_path):
    span = {"start": 0, "end": 2, "text": "北京", "labels": ["LOC"]}
    about = {"annotator": 1, "annotation_id": 3, "created_at": "2026-01-01", "lead_time": 2.5}
    tasks = [
        {"text": "北京好", "id": 1, "label": [span], "sentiment": "好", **about},
        {"text": "一般", "id": 2, "sentiment": {"choices": ["好", "差"]}, **about},
        {"text": "无", "id": 3, **about},
    ]
    path = write(tmp_path / "a.json", tasks)
    assert detect_layout(path) == "label_studio"
    first, second, third = read_annotated(path)
    assert (entities(first), first.labels) == ([(0, 2, "LOC")], ("好",))
    assert (second.entities, second.labels) == (None, ("好", "差"))
    assert (third.entities, third.labels) == ((), None)


def test_label_studio_json_min_with_data_beside_the_label(tmp_path):
    path = write(tmp_path / "a.json", [{"text": "好", "id": 1, "source": "weibo", "sentiment": "正"}])
    assert "source, sentiment" in error(read_label_studio, path)


def test_an_answer_without_a_place_must_stand_there_once(tmp_path):
    def asked(text):
        question = {"id": "q", "question": "谁", "answers": [{"text": text}]}
        return write(tmp_path / f"{text}.json", squad(question, context="李四住在北京，李四好。哈哈哈"))

    (found,) = read_squad(asked("北京"))
    assert (found.answers[0].start, found.answers[0].end) == (4, 6)
    assert "'李四' has no place; it stands 2 times" in error(read_squad, asked("李四"))
    assert "'哈哈' has no place; it stands 2 times" in error(read_squad, asked("哈哈"))
    assert "nowhere" in error(read_squad, asked("王五"))


def squad(*questions, context="李四住在北京。"):
    return {
        "version": "v",
        "data": [{"title": "t", "paragraphs": [{"context": context, "qas": list(questions)}]}],
    }


def test_squad_questions(tmp_path):
    path = write(
        tmp_path / "a.json",
        squad(
            {
                "question": "谁？",
                "id": "q1",
                "answers": [{"text": "李四", "answer_start": 0}, {"text": "四"}],
            },
            {"question": "何时？", "id": "q2", "is_impossible": True, "answers": []},
            {"question": "何时？", "id": "q3", "answers": []},
            {"question": "何时？"},
        ),
    )
    assert detect_layout(path) == "squad"
    first, second, third, fourth = read_questions(path)
    assert first.answers == (GoldAnswer(0, 2, "李四"), GoldAnswer(1, 2, "四"))
    assert (second.answers, third.answers, fourth.answers) == ((), (), None)
    assert [one.id for one in (first, fourth)] == ["q1", ""]
    line = 1 + path.read_text(encoding="utf-8").splitlines().index('       "question": "何时？",') - 1
    assert second.line == line and second.where == f"{path}, line {line}, question q2"


def test_an_answer_that_is_not_at_its_place_keeps_its_text_and_is_counted(tmp_path):
    answers = [
        {"text": "北京", "answer_start": 3},
        {"text": "上海", "answer_start": -1},
        {"text": "李四", "answer_start": 0},
    ]
    impossible = {"question": "谁？", "id": "q2", "is_impossible": True, "answers": answers}
    path = write(tmp_path / "a.json", squad({"question": "谁？", "id": "q1", "answers": answers}, impossible))
    problems = Problems()
    first, second = read_questions(path, report=problems.note)
    assert [answer.is_placed for answer in first.answers] == [False, False, True]
    assert [answer.text for answer in first.answers] == ["北京", "上海", "李四"]
    assert second.answers == ()
    assert problems.counts == {"an answer not at its place": 2, "an impossible question with answers": 1}
    told = [problem.what for problem in problems.kept["an answer not at its place"]]
    assert "stands elsewhere" in told[0] and "stands nowhere" in told[1]
    assert "question q1" in error(read_questions, path)


def test_answers_in_other_forms():
    place = {"where": "f, line 3", "line": 3, "report": refuse}
    wanted = (GoldAnswer(1, 2, "乙"),)
    assert read_answers({"text": ["乙"], "answer_start": [1]}, "甲乙", **place) == wanted
    assert read_answers({"text": ["乙"]}, "甲乙", **place) == wanted
    assert read_answers(["乙"], "甲乙", **place) == wanted
    assert read_answers([{"text": "乙", "start": 1}], "甲乙", **place) == wanted
    assert read_answers({"text": [], "answer_start": []}, "甲乙", **place) == ()
    assert read_answers({"text": ["乙"], "start": [2]}, "甲乙乙", **place) == (GoldAnswer(2, 3, "乙"),)
    with pytest.raises(InputError, match="2 texts, but not as many starts"):
        read_answers({"text": ["甲", "乙"], "answer_start": [0]}, "甲乙", **place)
    with pytest.raises(InputError, match="without a text"):
        read_answers([{"answer_start": 1}], "甲乙", **place)
    with pytest.raises(InputError, match="not at its place"):
        read_answers(["丙"], "甲乙", **place)


def test_the_first_form_of_cmrc(tmp_path):
    row = {"query_text": "谁？", "query_id": "Q", "answers": ["李四", "李四", "四"]}
    path = write(
        tmp_path / "a.json", [{"context_id": "C", "context_text": "李四住。", "qas": [row], "title": "t"}]
    )
    (one,) = read_questions(path)
    assert (one.question, one.context, one.id) == ("谁？", "李四住。", "Q")
    assert one.answers[2] == GoldAnswer(1, 2, "四")


@pytest.mark.parametrize(
    ("name", "content", "layout"),
    [
        ("a.txt", CONLL, "conll"),
        ("a.tsv", CONLL.replace(" ", "\t"), "conll"),
        ("a.tsv", "label\ttext_a\n1\t好\n0\tO\n", "records"),
        ("a.txt", "[赞]很好\t1\n{坏}\t0\n", "records"),
        ("a.txt", '{"text": "好", "label": ["1"]}\n', "doccano"),
        ("a.pos", "我 r\n爱 v\n", "conll"),
        ("a.json", '{"sentence": "好", "label": "1"}\n', "records"),
        ("a.json", '{"text": "好"}\n', "records"),
        ("a.json", '{"data": [{"paragraphs": []}]}', "squad"),
        ("a.json", '[{"text": "好"}]', "label_studio"),
    ],
)
def test_layouts_are_told_by_what_is_in_the_file(tmp_path, name, content, layout):
    assert detect_layout(write(tmp_path / name, content)) == layout


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.txt", "随便一段话\n又一段\n", "neither JSON nor a token"),
        ("a.json", '{\n "a": 1\n}', "unknown kind"),
        ("a.json", "", "empty"),
        ("a.tsv", "label\ttext_a\n1\t好\n", "no annotated texts"),
        ("a.json", '{"data": [{"paragraphs": []}]}', "but questions"),
        ("a.json", '[{"text": "好"}, {"text": ]', "line 1"),
        ("a.json", '[{"text": "好"}, {"text": 3}]', "no text"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, part):
    assert part in error(read_annotated, write(tmp_path / name, content))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (CONLL, "no questions"),
        ('{"data": [{"paragraphs": [{"context": "甲", "qas": 3}]}]}', "'qas'"),
        ('{"data": [{"paragraphs": [{"contexts": "甲", "qas": []}]}]}', "contexts, qas"),
        ('{"data": [{"paragraphs": []}]}', "no question"),
        ('{"data": [{"paragraphs": [{"context": "甲", "qas": [{"id": 1}]}]}]}', "'question'"),
        ('{"data": [\n{"paragraphs": [{"context": "甲", "qas": [}]}]}', "line 2"),
        ('{"data": ["paragraphs"], "qas": 1}', "an article"),
    ],
)
def test_files_without_questions_are_refused(tmp_path, content, part):
    assert part in error(read_questions, write(tmp_path / "a.json", content))
