"""Texts with entities from every layout, as the same examples; and what is wrong with some."""

import json

import pytest

from erya.data.records import Record
from erya.errors import InputError
from erya.tasks.tag.reading import example_of, read_examples, require_fit

TEXT, PLACES = "张三在北京", [(0, 2, "PER"), (3, 5, "LOC")]
OBJECTS = [{"start": a, "end": b, "type": kind} for a, b, kind in PLACES]
FILES = {
    "a.bio": "张 B-PER\n三 I-PER\n在 O\n北 B-LOC\n京 I-LOC\n\n",
    "b.bmes": "张\tB-PER\tx\n三\tE-PER\tx\n在\tO\tx\n北\tB-LOC\tx\n京\tE-LOC\tx\n",
    "c.jsonl": json.dumps({"text": TEXT, "entities": OBJECTS}),
    "d.jsonl": json.dumps({"text": TEXT, "label": [[0, 2, "PER"], [3, 5, "LOC"]]}),
    "e.json": json.dumps({"text": TEXT, "label": {"PER": {"张三": [[0, 1]]}, "LOC": {"北京": [[3, 4]]}}}),
    "f.jsonl": json.dumps({"content": TEXT, "spans": OBJECTS}),
    "g.tsv": "content\tspans\n" + TEXT + "\t" + json.dumps(OBJECTS) + "\n",
    "h.jsonl": json.dumps({"words": ["张三", "在", "北京"], "tags": ["PER", "P", "LOC"]}),
}
COLUMNS = {
    "b.bmes": {"column": "1"},
    "f.jsonl": {"text": "content", "entities": "spans"},
    "g.tsv": {"text": "content", "entities": "spans"},
}


@pytest.mark.parametrize("name", FILES)
def test_every_layout_gives_the_same_entities(name, tmp_path):
    (tmp_path / name).write_text(FILES[name], encoding="utf-8")
    (example,) = read_examples(tmp_path / name, columns=COLUMNS.get(name, {}), labelled=True)
    found = [(e.start, e.end, e.type) for e in example.entities if e.type != "P"]
    assert example.text == TEXT and found == PLACES
    assert all(e.text == TEXT[e.start : e.end] for e in example.entities)
    (bare,) = read_examples(tmp_path / name, columns=COLUMNS.get(name, {}), labelled=False)
    assert bare.text == TEXT and bare.entities is None


def record(**data):
    values = {"text": data.pop("text")} if "text" in data else {}
    return Record("f.jsonl", 3, values, data)


def test_words_without_tags_are_a_segmentation():
    example = example_of(record(words=["我", " ", "在", "北京"]))
    assert example.text == "我 在北京"
    assert [(e.text, e.type) for e in example.entities] == [("我", "word"), ("在", "word"), ("北京", "word")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"words": "我在"}, "list of words"),
        ({"words": ["我"], "tags": ["a", "b"]}, "one a word"),
        ({}, "neither a text nor"),
        ({"text": " ", "entities": []}, "empty"),
    ],
)
def test_rows_that_cannot_be_read(row, message):
    with pytest.raises(InputError, match=message) as caught:
        example_of(record(**row))
    assert "line 3" in str(caught.value)


def test_bad_entities_are_refused_or_counted():
    rows = [record(text="北京", entities=[{"start": 0, "end": 3, "type": "LOC"}]) for _ in range(2)]
    examples = [example_of(row) for row in rows]
    assert all(example.entities == () for example in examples)
    (line,) = require_fit(examples, "skip")
    assert "2 x" in line and "line 3" in line
    with pytest.raises(InputError, match="bad_entities=skip"):
        require_fit(examples, "refuse")


def test_rows_without_entities_say_what_is_wanted(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": TEXT}), encoding="utf-8")
    with pytest.raises(InputError, match="entities"):
        list(read_examples(tmp_path / "a.jsonl", columns={}, labelled=True))
