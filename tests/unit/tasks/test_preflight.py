"""What the pre-flight finds in files of every kind, with the lines, and what it leaves alone."""

import json

import pytest

pytest.importorskip("torch")

from erya.config import validate
from erya.errors import InputError
from erya.tasks.preflight.run import inspect, look_over
from erya.tasks.preflight.sameness import Leak, leaks
from erya.tasks.table import KINDS

GOOD = ["房间很好", "服务很好", "我很喜欢", "值得推荐"]
BAD = ["房间很吵", "服务很差", "我很失望", "不值得来"]


def table(path, rows):
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), encoding="utf-8")
    return path


def json_lines(path, *rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def check(kind, train, dev=None, test=None, *, model=None, near=False, **changes):
    values = {"train_file": str(train), "dev_file": "", "model": str(model or ""), **changes}
    values["train"] = {"device": "cpu", "threads": 1, **changes.get("train", {})}
    recipe = validate(KINDS[kind].recipe, values, where="the test")
    return inspect(
        recipe,
        dev_file=dev,
        test_file=test,
        has_model=model is not None,
        overfit=False,
        near=near,
        tell=lambda text: None,
    )


def named(found, name):
    (one,) = [each for each in found.findings if each.name == name]
    return one


def places(one):
    return [(place.file, place.line) for place in one.places]


REVIEWS = [*[(text, "好") for text in GOOD], *[(text, "差") for text in BAD]]


def test_sound_files_have_nothing_but_notes(tmp_path):
    train = table(tmp_path / "train.tsv", [*REVIEWS, ("干净", "好"), ("吵", "差")])
    dev = table(tmp_path / "dev.tsv", [("书很好", "好"), ("书很差", "差")])
    found = check("classify", train, dev)
    assert found.findings == [] and not found.has_errors
    assert found.labels == {"好": {"training": 5, "dev": 1}, "差": {"training": 5, "dev": 1}}
    assert found.files["dev"] == {"examples": 2, "path": str(dev)}
    assert json.loads(json.dumps(found.to_dict()))["ok"] is True


def test_texts_seen_before_are_found_verbatim_and_folded(tmp_path):
    train = table(tmp_path / "train.tsv", [*REVIEWS, ("头发 很好ABC", "好")])
    dev = table(tmp_path / "dev.tsv", [("房间很好", "好"), ("頭發很好，ａｂｃ", "差"), ("别的书", "差")])
    test = table(tmp_path / "test.tsv", [("我很失望", "差"), ("房间很好？", "好")])
    found = check("classify", train, dev, test)
    dev_leak, test_leak = (each for each in found.findings if each.name == "leak")
    assert places(dev_leak) == [("dev", 2), ("dev", 3)] and "1 of them but for" in dev_leak.what
    assert [place.what for place in dev_leak.places] == ["training line 2", "training line 10"]
    assert places(test_leak) == [("test", 2), ("test", 3)]
    kind = KINDS["classify"]
    columns = {"text": "text", "label": "label"}
    read = [list(kind.examples(path, columns=columns, labelled=True)) for path in (train, dev)]
    assert leaks("classify", *read) == [Leak(2, 2, True), Leak(10, 3, False)]


def test_the_same_text_with_two_labels_and_twice(tmp_path):
    rows = [*REVIEWS, ("房间 很好", "差"), ("服务很差", "差"), ("服务很差！", "好"), ("服务很差！", "好")]
    found = check("classify", table(tmp_path / "train.tsv", rows))
    torn = named(found, "two truths")
    assert places(torn) == [("training", 10)] and "as line 2: 差 here, 好 there" in torn.places[0].what
    # A mark makes another text of it, though hardly a new one.
    assert places(named(found, "duplicate text")) == [("training", line) for line in (10, 11, 12, 13)]


def test_labels_unknown_rare_single_and_absent(tmp_path):
    train = table(
        tmp_path / "train.tsv", [*REVIEWS, ("不知道", "中")] + [(f"书{n}", "差") for n in range(60)]
    )
    dev = table(tmp_path / "dev.tsv", [("干净", "好 "), ("吵", "差"), ("大小", "好评")])
    found = check("classify", train, dev)
    unknown = named(found, "unknown label")
    assert unknown.level == "error" and places(unknown) == [("dev", 2), ("dev", 4)]
    assert "did you mean '好'" in unknown.places[0].what
    assert places(named(found, "class with one example")) == [("training", 10)]
    assert "好" in named(found, "rare class").what
    assert (
        "好, 中" in named(found, "label not scored").what or "中, 好" in named(found, "label not scored").what
    )
    assert named(found, "lopsided").level == "note"
    assert "unusable" not in found.names()


def test_all_labels_or_all_texts_the_same(tmp_path):
    found = check("classify", table(tmp_path / "a.tsv", [(text, "好") for text in GOOD]))
    assert "same label" in named(found, "unusable").what and found.has_errors
    found = check("classify", table(tmp_path / "b.tsv", [("好", "好"), ("好", "差"), ("好。", "差")]))
    assert named(found, "all identical").level == "error"


def test_rows_that_stop_training_are_all_named(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("text\tlabel\n好\t1\n \t1\n差\n坏\t0\n吵\t\n", encoding="utf-8")
    found = check("classify", path)
    assert places(named(found, "an empty text")) == [("training", 3)]
    assert places(named(found, "an empty label")) == [("training", 6)]
    assert places(named(found, "a row that cannot be used")) == [("training", 4)]
    assert found.files["training"] == {"path": str(path)}
    rows = [{"text": "好", "label": "1"}, {"text": None, "label": "1"}, {"text": ["x"], "label": "0"}, {}]
    found = check("classify", json_lines(tmp_path / "train.jsonl", *rows))
    assert places(named(found, "an unusable text")) == [("training", 2), ("training", 3)]
    assert places(named(found, "a row that cannot be used")) == [("training", 4)]


@pytest.mark.parametrize(
    "good",
    [
        '{"words": ["我", "在"], "tags": ["P", "V"]}',
        '{"text": "我", "entities": [[0, 1, "P"]]}\n{"text": ""}',
    ],
)
def test_rows_of_taggers_that_stop_training_are_all_named(tmp_path, good):
    path = tmp_path / "train.jsonl"
    path.write_text(f'{{"text": 5.5}}\nno JSON\n{{"text": ["x"]}}\n{good}\n', encoding="utf-8")
    found = check("tag", path)
    assert places(named(found, "a row that cannot be used")) == [("training", 2)]
    assert places(named(found, "an unusable text")) == [("training", 1), ("training", 3)]
    assert len(found.findings) == 2


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("content\tlabel\n好\t1\n".encode(), "no column 'text'"),
        ("text\tlabel\n房间很大服务不错\t好\n".encode("gb18030") * 20, "looks like GB18030"),
        (b"", "empty"),
    ],
)
def test_files_that_cannot_be_read_are_errors(tmp_path, content, part):
    (tmp_path / "train.tsv").write_bytes(content)
    found = check("classify", tmp_path / "train.tsv", table(tmp_path / "dev.tsv", REVIEWS))
    assert part in named(found, "unusable").what and found.has_errors
    assert found.files["dev"]["examples"] == len(REVIEWS)


def test_odd_texts(tmp_path):
    rows = [*REVIEWS, ("房\ufffd间", "好"), ("锟斤拷很差", "差"), ("长" * 20_001, "差")]
    found = check("classify", table(tmp_path / "train.tsv", rows))
    assert places(named(found, "damaged text")) == [("training", 10), ("training", 11)]
    assert places(named(found, "huge text")) == [("training", 12)]


def test_several_labels_of_a_text_and_several_sets(tmp_path):
    rows = [("好", "a|b"), ("差", "b"), ("吵", "a"), ("大", "b | c")]
    train = table(tmp_path / "train.tsv", rows)
    found = check("classify", train, table(tmp_path / "dev.tsv", [("小", "a|d")]), separator="|")
    assert found.labels["b"] == {"training": 3, "dev": 0}
    assert places(named(found, "unknown label")) == [("dev", 2)]
    path = tmp_path / "sets.tsv"
    path.write_text("text\tone\ttwo\n好\tx\t1\n差\ty\t2\n", encoding="utf-8")
    found = check("classify", path, label=["one", "two"])
    assert set(found.labels) == {"one: x", "one: y", "two: 1", "two: 2"}


def test_entities(tmp_path):
    rows = [
        {"text": "我在北京", "entities": [[2, 4, "LOC"]]},
        {"text": "李四在 北京", "entities": [[0, 2, "PER"], [3, 6, "LOC"], [0, 3, "X"]]},
        {"text": "李四在北京", "entities": [[0, 3, "X"], [2, 5, "Y"]]},
        {"text": "李四", "entities": [[0, 9, "PER"], [0, 2, "PER"]]},
    ]
    path = json_lines(tmp_path / "train.jsonl", *rows)
    found = check("tag", path, head="span_pairs", bad_entities="skip")
    assert "nested entity" not in [one.name for one in found.findings], "the head finds them"
    flat = check("tag", path, bad_entities="skip")
    assert places(named(flat, "nested entity")) == [("training", 2)]
    assert places(named(found, "crossing entity")) == [("training", 3)]
    assert places(named(found, "ragged span")) == [("training", 2)]
    outside = named(found, "an entity outside its text")
    assert places(outside) == [("training", 4)] and outside.level == "warning"
    assert found.labels["PER"] == {"training": 2}
    refused = check("tag", path, head="span_pairs")
    assert "outside its text" in named(refused, "unusable").what


def test_questions(tmp_path):
    rows = [
        {"question": "谁？", "context": "李四在北京", "answers": [{"text": "李四", "start": 0}]},
        {"question": "哪？", "context": "李四在北京", "answers": [{"text": "北京", "start": 0}]},
        {"question": "何？", "context": "李四在北京", "answers": [{"text": "上海", "start": 0}]},
        {"question": "甲？", "context": "李四在 北京", "answers": [{"text": " 北京", "start": 3}]},
        {"question": "无？", "context": "李四在北京", "answers": []},
    ]
    found = check("answer", json_lines(tmp_path / "train.jsonl", *rows), bad_answers="skip")
    assert places(named(found, "answer elsewhere")) == [("training", 2)]
    assert places(named(found, "answer not in its context")) == [("training", 3)]
    assert places(named(found, "ragged span")) == [("training", 4)]
    assert found.labels == {"with an answer": {"training": 4}, "without an answer": {"training": 1}}
    paragraph = {"context": "李四在北京", "qas": [{**rows[1], "id": "Q7"}]}
    document = tmp_path / "train.json"
    document.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}), encoding="utf-8")
    found = check("answer", document, bad_answers="mend")
    assert named(found, "answer elsewhere").places[0].what.startswith("question Q7: ")


def test_pairs_and_vectors(tmp_path):
    rows = [{"text": "好", "pair": "很好", "label": n % 2} for n in range(2)] + [
        {"text": "差", "pair": "很差", "label": 1}
    ]
    found = check("match", json_lines(tmp_path / "m.jsonl", *rows))
    assert places(named(found, "two truths")) == [("training", 2)]
    scored = [{"text": "好", "pair": "很好", "label": n + 0.5} for n in range(3)]
    assert check("match", json_lines(tmp_path / "r.jsonl", *scored), objective="regress").labels == {}
    rows = [{"text": "好", "negatives": ["坏"]}, {"text": "好", "negatives": ["坏"]}, {"text": "差"}]
    found = check("embed", json_lines(tmp_path / "e.jsonl", *rows))
    assert places(named(found, "duplicate text")) == [("training", 2)] and found.labels == {}


def test_lengths_and_unknown_characters_of_a_model(tiny_base, tmp_path):
    rows = [*REVIEWS, ("好" * 30, "好"), ("鑫森淼焱垚" * 4, "差")]
    train = table(tmp_path / "train.tsv", rows)
    found = check("classify", train, model=tiny_base)
    long = named(found, "long input")
    assert long.level == "error" and places(long) == [("training", 10)]
    assert "32 tokens" in long.places[0].what and "--truncate" in long.hint
    assert "鑫" in named(found, "unknown tokens").what
    lengths = found.lengths["training"]
    assert (lengths["longest"], lengths["limit"], lengths["too_long"]) == (32, 24, 1)
    assert lengths["median"] == 6 and sum(lengths["histogram"]["counts"]) == 10
    cut = check("classify", train, model=tiny_base, truncate=True, max_length=10)
    assert (
        named(cut, "long input").level == "warning" and "34 tokens cut off" in named(cut, "long input").what
    )
    windows = check("classify", train, model=tiny_base, stride=4)
    assert named(windows, "long input").level == "note"


def test_spans_against_tokens(tiny_base, tmp_path):
    rows = [{"text": "ABC书", "entities": [[0, 3, "X"]]}, {"text": "ABC看", "entities": [[1, 2, "X"]]}]
    found = check("tag", json_lines(tmp_path / "train.jsonl", *rows), model=tiny_base)
    misfit = named(found, "span against tokens")
    assert places(misfit) == [("training", 2)] and "inside a token" in misfit.what


def test_a_run_is_told_in_short(tmp_path):
    kind = KINDS["classify"]

    def told(rows):
        train = table(tmp_path / "train.tsv", rows)
        values = {"train_file": str(train), "dev_file": str(train), "model": ""}
        recipe = validate(kind.recipe, values, where="the test")
        examples = list(kind.examples(train, columns=recipe.columns, labelled=True))
        return look_over(kind, recipe, examples, examples)

    assert told(REVIEWS) == []
    (line,) = told([*REVIEWS, ("书", "中")])
    assert "one training example: 中" in line and "training line 10" in line
    with pytest.raises(InputError, match=r"train.tsv, line 2") as caught:
        told([("好", "好"), ("好", "差")])
    assert "all 2 training texts are the same" in str(caught.value)


def test_texts_nearly_seen_before_are_found_where_that_is_asked_for(tmp_path):
    pytest.importorskip("rensa")
    long = "这家酒店的房间很大也很干净，服务员态度不错，早餐种类丰富，下次来还会住这里，推荐给大家。"
    other = "物流太慢了，等了两个星期才到，包装也破了，书页有折痕，客服不理人，非常失望，再也不来买了。"
    train = table(tmp_path / "train.tsv", [(other[::-1], "差"), (long, "好"), (other, "差")])
    changed = [(long.replace("不错", "很好"), "好"), (long, "好"), ("早餐" + other[10:30] * 2, "差")]
    dev = table(tmp_path / "dev.tsv", changed)
    assert "near leak" not in check("classify", train, dev).names()
    near = named(check("classify", train, dev, near=True), "near leak")
    assert places(near) == [("dev", 2)] and "of training line 3" in near.places[0].what
