"""The corpus report's page: says what happened, whatever is missing, whatever the texts hold."""

import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")

from erya.corpus.page.differences import differences
from erya.corpus.page.page import render_page, write_page
from erya.corpus.page.plots import funnel_picture, length_bins, lengths_picture
from erya.corpus.page.sections import cluster_table, length_table, option_rows
from erya.corpus.page.summary import disk, duration, memory, sentences
from erya.corpus.page.tables import clip, count_table

NASTY = "</details></style><script>alert('坏')</script><img src=x onerror=alert(1)>&amp;\x00\x1b\u202e\ud800"
KEPT = "本市今年新建公园十二座，市民出门五百米就能看见绿地。"
STAGES = ("read", "filter", "exact duplicates", "near duplicates", "repeated lines", "write")

REPORT = {
    "stages": [
        {
            "name": name,
            "documents": 1000 - 50 * k,
            "characters": 90_000 - 900 * k,
            "megabytes_per_s": 20.0 + k,
        }
        for k, name in enumerate(STAGES)
    ],
    "raw_bytes": 280_000,
    "seconds": 200.0,
    "megabytes_per_s": 6.8,
    "workers": 2,
    "engine": "local",
    "peak_memory_bytes": 600 << 20,
    "memory_limit_bytes": 2 << 30,
    "records": 1000,
    "kept": 750,
    "heldout": 8,
    "characters": 85_500,
    "dropped": {"too short": 90, "near duplicate": 120, "few Hanzi": 40},
    "edits": {"phone number masked": 5},
    "noted": {"bytes that could not be read": 2},
    "samples": {"too short": [{"where": "a.txt, line 3", "text": NASTY}]},
    "problems": [f"{NASTY}.txt, line 9: 2 bytes that are no UTF-8"],
    "lengths": {"edges": [1, 10, 100, 1000], "kept": [0, 500, 250], "dropped": [90, 160, 0]},
    "scripts": {"simplified": {"documents": 700, "characters": 80_000}, "traditional": {"documents": 50}},
    "sources": {NASTY: {"documents": 750, "characters": 85_500}},
    "files": [
        {"path": "raw/a.txt", "format": "txt", "encoding": "gb18030", "bytes": 280_000, "records": 1000}
    ],
    "clusters": {
        "sizes": {"2": 30, "12": 4, "13": 1},
        "samples": [
            {
                "size": 9,
                "members": [
                    {"where": "a.txt, line 8", "text": KEPT.replace("十二", "二十"), "similarity": 0.9},
                    {"where": "a.txt, line 1", "text": KEPT, "similarity": 1.0, "kept": True},
                    {"where": "a.txt, line 9", "text": NASTY, "similarity": 0.5, "kept": False},
                ],
            }
        ],
    },
    "options": {"near": {"threshold": 0.5}, "blocked_words": [NASTY]},
}
SHARDS = {
    "tokenizer": "tokenizers/zh",
    "vocab_size": 12032,
    "tokens": {"train": 60_000, "heldout": 700},
    "unknown_share": 0.0002,
    "tokens_per_character": 0.71,
    "uncovered_characters": 0,
    "bytes": 160_000,
    "bytes_per_raw_byte": 0.57,
    "by_kind": {"Hanzi": {"characters": 70_000, "tokens": 50_000, "unknown": 12}},
    "unknown_characters": [["龘", 9], ["<", 2]],
    "mixture": [
        {"name": "news", "weight": 1, "wanted_share": 0.6, "tokens": 9, "share": 0.612, "repeats": 1.5}
    ],
}


class Outline(HTMLParser):
    """The words a browser would show, its tags, what it would fetch or run, and links that lead nowhere."""

    VOID = frozenset({"meta", "br", "img", "link", "input", "path", "use"})

    def __init__(self, html):
        super().__init__()
        self.words, self.tags, self.acting, self.ids, self.links, self.open = [], [], [], set(), set(), []
        self.feed(html)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            if name == "id":
                self.ids.add(value)
            if name == "href" and value.startswith("#"):
                self.links.add(value[1:])
            elif name in ("src", "href", "data", "srcset", "action") or name.startswith("on"):
                self.acting.append((tag, name, value))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def page():
    return Outline(render_page(REPORT, shards=SHARDS))


def test_the_summary_says_it_in_plain_words(page):
    for said in (
        "1,000 records read from 1 file (0.3 MB of raw text).",
        "750 documents kept (75.0 %), 8 of them held out for evaluation.",
        "most frequent reason to drop a record was “near duplicate” (120), then “too short” (90)",
        "It took 3 min 20 s with 2 local workers, 6.8 MB/s.",
        "Memory peaked at 600 MiB of the 2.0 GiB allowed.",
        "60,700 tokens of the documents, 0.71 a character.",
        "0.020 % of the tokens are unknown.",
    ):
        assert said in page.text


def test_every_part_is_on_the_page(page):
    for part in (*STAGES, "few Hanzi", "phone number masked", "traditional", "gb18030", "near.threshold"):
        assert part in page.text
    for part in ("U+9F98", "Size beside the text 0.57", "news", "61.2 %", "2 bytes that are no UTF-8"):
        assert part in page.text
    assert page.tags.count("svg") == 2 and page.links <= page.ids and len(page.links) >= 10


def test_hostile_texts_are_shown_and_do_nothing(page, tmp_path):
    # The written file, control characters and lone surrogates included, is what a browser opens.
    write_page(tmp_path / "report.html", REPORT, shards=SHARDS)
    html = (tmp_path / "report.html").read_text("utf-8")
    for seen in (page, Outline(html)):
        assert seen.acting == [] and not {"script", "img", "link"} & set(seen.tags)
        assert seen.open == [] and "<script>alert('坏')</script>" in seen.text
    assert "@import" not in html and not re.search(r"url\((?!#)", html)
    assert "\x00" not in html and "\x1b" not in html and "␀␛" in html


def test_a_cluster_shows_the_kept_text_first_and_what_differs():
    html = render_page(REPORT)
    assert html.index("kept · a.txt, line 1") < html.index("dropped · a.txt, line 8")
    assert "similarity 0.90" in html and "6 more not shown" in html
    # The same character stands on both sides of the change: 十二 became 二十.
    assert re.search(r"新建公园<(del|ins)>", html)


@pytest.mark.parametrize("part", sorted(REPORT))
def test_any_part_may_be_missing_or_empty(part):
    # Drawing takes longest: the pictures are there only where they are what is tested.
    pictures = {"stages", "lengths"} - {part}
    without = {name: value for name, value in REPORT.items() if name not in (part, *pictures)}
    assert "<h1>" in render_page(without)
    assert "<h1>" in render_page({**without, part: None})
    if isinstance(REPORT[part], dict | list):
        assert "<h1>" in render_page({**without, part: type(REPORT[part])()})


@pytest.mark.parametrize("part", sorted(SHARDS))
def test_any_part_of_the_shards_may_be_missing(part):
    assert "<h1>" in render_page({}, shards={k: v for k, v in SHARDS.items() if k != part})


def test_a_corpus_of_which_nothing_is_left():
    stages = [{"name": name, "documents": 0, "characters": 0} for name in STAGES]
    empty = Outline(render_page({"stages": stages, "records": 0, "kept": 0, "dropped": {}, "clusters": {}}))
    assert "No document was kept. Nothing was dropped." in empty.text and "No two documents" in empty.text
    assert "svg" not in empty.tags
    assert Outline(render_page({})).links == set()


def test_a_huge_report_stays_a_small_page():
    long = "汉字" * 5000
    many = {f"理由{k}": 10_000 - k for k in range(2000)}
    report = {
        **REPORT,
        "dropped": many,
        "edits": many,
        "noted": many,
        "samples": {reason: [{"where": "a, line 1", "text": long}] * 50 for reason in many},
        "sources": {f"{k}{long}": {"documents": 1, "characters": 1} for k in range(2000)},
        "problems": [long] * 2000,
        "files": [{"path": f"{k}{long}", "bytes": 1, "records": 1, "kept": 1} for k in range(2000)],
        "clusters": {
            "sizes": {str(k): 1 for k in range(2, 5000)},
            "samples": [{"size": 99, "members": [{"where": "a", "text": long}] * 99}] * 99,
        },
        "options": {f"option{k}": long for k in range(2000)},
    }
    shards = {**SHARDS, "unknown_characters": [[chr(0x4E00 + k), 1] for k in range(5000)]}
    html = render_page(report, shards=shards)
    assert len(html.encode()) < 1_000_000
    assert "1,970 others" in html and "1,900 more files" in html


def test_differences_spell_both_texts():
    pieces = differences("甲乙丙丁戊己庚辛", "甲乙丙丁子己庚辛壬")
    assert [(piece.kind, piece.text) for piece in pieces] == [
        ("same", "甲乙丙丁"),
        ("removed", "戊"),
        ("added", "子"),
        ("same", "己庚辛"),
        ("added", "壬"),
    ]
    for kept, other in (("", "有"), ("有", ""), ("", ""), ("一二三", "一二三"), ("一甲二", "乙甲丙")):
        kinds = differences(kept, other)
        assert "".join(p.text for p in kinds if p.kind in ("same", "removed")) == kept
        assert "".join(p.text for p in kinds if p.kind in ("same", "added")) == other


def test_long_common_stretches_are_skipped_with_their_length():
    same = "".join(chr(0x4E00 + k) for k in range(300))
    first, skipped, last, removed = differences(same + "末", same)
    assert same.startswith(first.text) and same.endswith(last.text) and removed.text == "末"
    assert skipped.kind == "skipped" and int(skipped.text) == 300 - len(first.text) - len(last.text)


def test_where_texts_are_cut_is_no_difference():
    kept = "".join(chr(0x4E00 + k) for k in range(2000))
    pieces = differences(kept, "新增" + kept)
    assert [piece.kind for piece in pieces if piece.kind != "skipped"].count("removed") == 0
    assert pieces[0].text == "新增" and pieces[-1].kind == "skipped"


def test_texts_that_repeat_one_character_are_not_compared_for_minutes():
    # Shifted by one, every character would match every other: told apart as a whole instead.
    pieces = differences("了" + "哈" * 900, "的" + "哈嘿" * 450)
    assert [piece.kind for piece in pieces] == ["removed", "added", "skipped"]
    assert pieces[0].text == "了" + "哈" * 599


def test_the_funnel_says_what_each_stage_took():
    picture = funnel_picture(REPORT["stages"])
    assert "−5.0 %" in picture and "near duplicates" in picture and "var(--orange)" in picture
    assert funnel_picture([]) is None and funnel_picture([{"name": "read"}]) is None
    assert "characters" not in funnel_picture([{"name": "read", "documents": 3}])


def test_lengths_are_counted_from_edge_to_edge():
    assert length_bins(REPORT["lengths"]) == [(1, 0, 90), (10, 500, 160), (100, 250, 0)]
    assert [row[0] for row in length_table(REPORT["lengths"])] == ["1 to 9", "10 to 99", "100 or more"]
    assert length_bins({"edges": [1, 10], "kept": [2, 3]}) == [(1, 2, 0), (10, 3, 0)]
    assert lengths_picture({"edges": [1, 10], "kept": [0], "dropped": [0]}) is None


def test_cluster_sizes_are_counted_together_from_ten_on():
    rows = {row.name: [cell.value for cell in row.cells] for row in cluster_table(REPORT["clusters"]).rows}
    assert rows == {"2": [30, 60], "10 to 19": [5, 4 * 12 + 13]}


def test_the_rarest_names_become_one_row():
    rows = count_table({f"n{k:02}": k for k in range(33)}, ("name", "times"), whole=528).rows
    assert len(rows) == 31 and rows[0].name == "n32" and rows[0].cells[0].width == 1.0
    assert rows[-1].name == "3 others" and rows[-1].cells[0].value == 0 + 1 + 2
    assert sum(row.cells[0].share for row in rows) == pytest.approx(1.0)


def test_nested_options_are_named_by_dots():
    assert option_rows({"near": {"n": 2, "on": True}, "to": None, "empty": {}}) == [
        ("near.n", "2"),
        ("near.on", "true"),
        ("to", "null"),
        ("empty", "{}"),
    ]


def test_measures_for_people():
    assert [duration(s) for s in (0.42, 42.4, 59.7, 200, 7500)] == [
        "0.42 s",
        "42 s",
        "1 min 0 s",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert (memory(600 << 20), memory(3 << 30)) == ("600 MiB", "3.0 GiB")
    assert (disk(999), disk(142_100_000), disk(1_200_000_000)) == ("999 bytes", "142.1 MB", "1.2 GB")
    assert clip("一" * 5, 3) == "一一一… (2 more)"


def test_one_worker_and_one_record_are_singular():
    said = " ".join(sentences({"records": 1, "kept": 1, "seconds": 1.0, "workers": 1, "engine": "ray"}, None))
    assert said == "1 record read. 1 document kept (100.0 %). It took 1 s with 1 ray worker."
