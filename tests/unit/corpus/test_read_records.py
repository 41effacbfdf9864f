"""Blocks to records: every format, pairs, and what is dropped or mended, counted with its line."""

import json

import pytest

from erya.corpus.read.blocks import read_blocks
from erya.corpus.read.files import find_files
from erya.corpus.read.options import ReadOptions
from erya.corpus.read.records import ReadTally, read_records
from erya.errors import InputError


def read(path, data, **options):
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    wanted, tally = ReadOptions(**options), ReadTally()
    found = []
    for file in find_files([path], wanted):
        for block in read_blocks(file):
            found += read_records(block, wanted, tally)
    return found, tally


def rows(records):
    return [(record.line, record.text, record.title, record.source) for record in records]


def problems(tally):
    return [(problem.line, problem.reason) for problem in tally.problems]


def test_plain_text_by_its_unit(tmp_path):
    text = "\n\n第一行\n第二行\r\n \n\n\u3000\n第三段\n"
    path = tmp_path / "a.txt"
    assert rows(read(path, text)[0]) == [
        (3, "第一行", None, "a"),
        (4, "第二行\r", None, "a"),
        (8, "第三段", None, "a"),
    ]
    found = read(path, text, unit="paragraph")[0]
    assert [(record.line, record.text.strip()) for record in found] == [(3, "第一行\n第二行"), (8, "第三段")]
    (whole,) = read(path, text, unit="file")[0]
    assert whole.text == text and whole.line == 3


def test_json_lines(tmp_path):
    lines = [
        json.dumps({"text": "第一篇", "source": "报纸", "title": "标题"}, ensure_ascii=False),
        "",
        '{"text": 5, "title": "t"}',
        '{"text": "坏了',
        '["text"]',
        '{"body": "没有"}',
        '{"text": "第二篇", "title": 7, "source": 12}',
        '{"text": "", "title": "", "source": {"a": 1}}',
        "[" * 100_000,
        '{"text": "x", "n": ' + "9" * 5000 + "}",
    ]
    found, tally = read(tmp_path / "raw.jsonl", "\n".join(lines))
    assert rows(found) == [
        (1, "第一篇", "标题", "报纸"),
        (7, "第二篇", None, "12"),
        (8, "", None, "raw"),
    ]
    assert tally.records == 9
    assert tally.dropped == {"no text in the field": 2, "not a JSON object": 4}
    assert tally.fields == ("text", "title")
    assert problems(tally)[:4] == [
        (3, "no text in the field"),
        (4, "not a JSON object"),
        (5, "not a JSON object"),
        (6, "no text in the field"),
    ]


def test_fields_have_other_names_if_so_asked(tmp_path):
    line = '{"body": "正文", "headline": "题", "site": "报"}'
    options = {"field": "body", "title_field": "headline", "source_field": "site"}
    assert rows(read(tmp_path / "a.jsonl", line, **options)[0]) == [(1, "正文", "题", "报")]
    table = "site,body,headline\n报,正文,题\n"
    assert rows(read(tmp_path / "a.csv", table, **options)[0]) == [(2, "正文", "题", "报")]


def test_csv_as_the_standard_has_it(tmp_path):
    data = (
        '\r\ntitle,text\r\n题,"有,逗号和""引号"""\r\n\r\n,"两\r\n行"\r\n题二,"a"b\r\n三\r\n一,二,三\r\n尾,巴'
    )
    found, tally = read(tmp_path / "a.csv", data)
    assert rows(found) == [
        (3, '有,逗号和"引号"', "题", "a"),
        (5, "两\r\n行", None, "a"),
        (10, "巴", "尾", "a"),
    ]
    assert tally.records == 6
    assert problems(tally) == [
        (7, "a broken CSV row"),
        (8, "another number of fields than the first row"),
        (9, "another number of fields than the first row"),
    ]


@pytest.mark.parametrize("closed", [False, True])
def test_a_lone_quotation_mark_in_csv_costs_its_row_only(tmp_path, closed):
    rows = [f"第{number}行,{number}" for number in range(50)]
    rows[3] = '"没有关上,3'
    if closed:
        rows[40] = '她说,"好"的'
    found, tally = read(tmp_path / "a.csv", "text,n\n" + "\n".join(rows) + "\n")
    broken = [3, 40] if closed else [3]
    kept = [number for number in range(50) if number not in broken]
    assert [(record.line, record.text) for record in found] == [(n + 2, f"第{n}行") for n in kept]
    assert problems(tally) == [(number + 2, "a broken CSV row") for number in broken]
    assert tally.records == 50


def test_a_broken_row_of_column_names_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"first row is broken[\s\S]*line 1"):
        read(tmp_path / "a.csv", '"te"xt,n\n正文,1\n')


def test_tsv_as_it_stands(tmp_path):
    data = '\ufefflabel\ttext\n1\t他说："好\n2\t"引号"\r\n\n3\ta\tb\n'
    found, tally = read(tmp_path / "a.tsv", data)
    assert rows(found) == [(2, '他说："好', None, "a"), (3, '"引号"', None, "a")]
    assert problems(tally) == [(5, "another number of fields than the first row")]


@pytest.mark.parametrize(("name", "mark"), [("a.csv", ","), ("a.tsv", "\t")])
def test_columns_without_names_have_numbers(tmp_path, name, mark):
    data = f"一{mark}text{mark}甲\n二{mark}正文{mark}乙\n"
    found, _ = read(tmp_path / name, data, field="2", title_field="3", source_field="1")
    assert rows(found) == [(1, "text", "甲", "一"), (2, "正文", "乙", "二")]
    pair, _ = read(tmp_path / name, data, field="2", pair_field="1")
    assert [(record.text, record.second) for record in pair] == [("text", "一"), ("正文", "二")]


@pytest.mark.parametrize("form", ["jsonl", "csv", "tsv", "parquet"])
def test_pairs_need_both_their_texts(tmp_path, form):
    pairs = [("你好", "hello"), ("", "only"), ("只有", " "), ("再见", "bye"), ("", "")]
    path = tmp_path / f"a.{form}"
    if form == "parquet":
        pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        columns = {"zh": [zh or None for zh, _ in pairs], "en": [en for _, en in pairs]}
        pq.write_table(pa.table(columns), path)
        data = path.read_bytes()
    elif form == "jsonl":
        data = "\n".join(json.dumps({"zh": zh, "en": en} if zh else {"en": en}) for zh, en in pairs)
    else:
        mark = "," if form == "csv" else "\t"
        data = f"zh{mark}en\n" + "\n".join(f"{zh}{mark}{en}" for zh, en in pairs)
    found, tally = read(path, data, field="zh", pair_field="en")
    assert [(record.text, record.second) for record in found] == [("你好", "hello"), ("再见", "bye")]
    assert tally.dropped == {"only one text of the pair": 2, "no text in the field": 1}
    assert tally.records == 5
    with pytest.raises(ValueError, match="another field"):
        ReadOptions(field="zh", pair_field="zh")


def test_wikipedia_articles(tmp_path):
    data = (
        '前言\n<doc id="1" url="https://w?curid=1" title="数学 &amp; "引号"">\n'
        '数学 &amp; "引号"\n\n正文一。\n</doc>\n\n'
        '<doc id="2" revid="7" url="u" title="空">\n空\n\n</doc>\n'
        '<doc id="3" url="u" title="没有重复">\n正文三。\n'
        '<doc id="4" url="u" title="四">\n四\n正文四 <doc x>。\n</doc>\n'
        "之间的文本\n"
        '<doc id="5" url="u" title="尾">\n尾\n被截断'
    )
    path = tmp_path / "AA"
    path.mkdir()
    found, tally = read(path / "wiki_00", '<doc id="0" url="u" title="零">\n零\n零。\n</doc>\n' + data)
    assert [(record.line, record.text.strip(), record.title) for record in found] == [
        (1, "零。", "零"),
        (6, "正文一。", '数学 & "引号"'),
        (12, "", "空"),
        (16, "正文三。", "没有重复"),
        (18, "正文四 <doc x>。", "四"),
        (23, "被截断", "尾"),
    ]
    assert {record.source for record in found} == {"wiki"}
    assert tally.dropped == {"text outside of <doc>": 2} and tally.records == 8
    assert tally.noted == {"a <doc> without its end": 2}
    assert [place for place in problems(tally) if "outside" in place[1]] == [
        (5, "text outside of <doc>"),
        (22, "text outside of <doc>"),
    ]


@pytest.mark.parametrize("form", ["txt", "jsonl"])
def test_lines_in_another_encoding_are_read_in_it(tmp_path, form):
    lines = [f"第{n}行说的是今天的天气很好。" for n in range(40)]
    encodings = ["gb18030" if n % 8 == 3 else "utf-8" for n in range(40)]
    encodings[20] = "big5"
    lines[20] = "今天的天氣很好，我們說過了。"
    shape = (lambda line: json.dumps({"text": line}, ensure_ascii=False)) if form == "jsonl" else str
    data = b"\n".join(shape(line).encode(each) for line, each in zip(lines, encodings, strict=True))
    found, tally = read(tmp_path / f"a.{form}", data)
    assert [record.text for record in found] == lines
    assert tally.noted == {"read as gb18030": 5, "read as big5hkscs": 1}
    assert (4, "read as gb18030") in problems(tally)
    # And the other way round.
    turned = [{"gb18030": "utf-8", "utf-8": "gb18030"}.get(each, "gb18030") for each in encodings]
    data = b"\n".join(shape(line).encode(each) for line, each in zip(lines, turned, strict=True))
    found, tally = read(tmp_path / f"b.{form}", data)
    assert [record.text for record in found] == lines
    assert tally.noted == {"read as utf-8": 5}


def test_bad_bytes_are_kept_counted_and_placed(tmp_path):
    data = "完好的一行字\n".encode() + b"\xff\xff" + "坏掉的一行字\n好".encode() + b"\xe5\xa5"
    found, tally = read(tmp_path / "a.txt", data)
    assert [record.text for record in found] == ["完好的一行字", "\ufffd\ufffd坏掉的一行字", "好\ufffd"]
    assert tally.noted == {"bad bytes": 4} and not tally.dropped
    assert problems(tally) == [
        (2, "bad bytes (2 from byte 1 of the line)"),
        (3, "bad bytes (2 from byte 4 of the line)"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "utf-16"])
def test_nul_bytes_are_removed_counted_and_placed(tmp_path, encoding):
    text = "第一行的文字\n第\0\0二行\0的文字\n\0\n第三行的文字，还有很多的话要说，一时半会儿说不完\n"
    found, tally = read(tmp_path / "a.txt", text.encode(encoding))
    assert [record.text for record in found] == [line for line in text.replace("\0", "").split("\n") if line]
    assert tally.noted == {"NUL bytes": 4}
    first = len("第".encode("gb18030" if encoding == "gb18030" else "utf-8")) + 1
    assert problems(tally)[0] == (2, f"NUL bytes (3 from byte {first} of the line)")


def test_only_the_first_of_a_kind_are_remembered(tmp_path):
    _, tally = read(tmp_path / "a.jsonl", '{"text": "好"}\n' + "x\n" * 100 + '{"a": 1}\n')
    assert tally.dropped == {"not a JSON object": 100, "no text in the field": 1}
    assert len(tally.problems) == 6 and tally.problems[-1].line == 102
