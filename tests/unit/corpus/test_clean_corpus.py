"""The whole job: counts add up, workers and kills change nothing, nothing is left half-written."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erya.corpus.clean import clean_corpus
from erya.corpus.deduplicate.options import DeduplicateOptions
from erya.corpus.engines.local import LocalEngine
from erya.corpus.filters.options import FilterOptions
from erya.corpus.read import blocks
from erya.corpus.read.options import ReadOptions
from erya.corpus.recipe import CorpusRecipe, ScriptConversion
from erya.data.documents import read_documents, read_manifest
from erya.errors import InputError, StorageError

RECIPE = CorpusRecipe(heldout=0.2)
MEMORY = 1 << 29


def clean(raw, out, recipe=RECIPE, *, workers=1, **options):
    paths = raw if isinstance(raw, list) else [raw]
    return clean_corpus(paths, out, recipe, engine=LocalEngine(workers), memory_bytes=MEMORY, **options)


@pytest.fixture
def raw(tmp_path):
    path = tmp_path / "raw.jsonl"
    lines = [json.dumps({"text": f"第{n % 80}篇：我们的国家。"}, ensure_ascii=False) for n in range(100)]
    path.write_text("\n".join([*lines, "broken", '{"text": ""}']), encoding="utf-8")
    return path


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.suffix == ".parquet"}


def test_counts_add_up(raw, tmp_path):
    out = tmp_path / "out"
    ticks = []
    report = clean(raw, out, on_progress=lambda *tick: ticks.append(tick))
    assert report.records == 102 and report.kept == 80
    assert dict(report.dropped) == {"exact duplicate": 20, "not a JSON object": 1, "too short": 1}
    assert report.kept + sum(report.dropped.values()) == report.records
    assert not report.resumed and report.megabytes_per_s > 0
    assert report.problems == [f"{raw}, line 101: not a JSON object"]
    assert 0 < report.heldout < 40
    found = list(read_documents(out))
    assert len(found) == 80 and sum(len(item.text) for item in found) == report.characters
    written = json.loads((out / "report.json").read_text())
    assert written == read_manifest(out).report == json.loads(json.dumps(report.as_dict()))
    assert "80" in (out / "report.html").read_text(encoding="utf-8")
    reading = [tick for tick in ticks if tick[0] == "reading"]
    assert reading[-1][1] == reading[-1][2] == raw.stat().st_size
    assert not out.with_name("out.unfinished").exists()


def test_stages_count_down_to_what_is_kept(raw, tmp_path):
    report = clean(raw, tmp_path / "out")
    left = [stage["documents"] for stage in report.stages if "documents" in stage]
    assert left == sorted(left, reverse=True) and left[0] == report.records and left[-1] == report.kept
    assert report.scripts["simplified"] == {"documents": 80, "characters": report.characters}
    assert sum(report.lengths["kept"]) == 80 and report.cluster_sizes == {"2": 20}
    assert report.files[0]["kept"] == 80 and report.files[0]["records"] == 102
    first = report.cluster_samples[0]["members"]
    assert [member["kept"] for member in first] == [True, False] and first[0]["where"].endswith("line 1")


def test_workers_change_nothing(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 500)
    for workers in (1, 2):
        clean(raw, tmp_path / str(workers), workers=workers)
    assert files_of(tmp_path / "1") == files_of(tmp_path / "2")


def test_order_does_not_move_the_split(raw, tmp_path):
    turned = tmp_path / "turned.jsonl"
    turned.write_text("\n".join(reversed(raw.read_text().split("\n"))))
    split = {}
    for path in (raw, turned):
        clean(path, tmp_path / path.stem)
        split[path] = {item.text: item.split for item in read_documents(tmp_path / path.stem)}
    assert split[raw] == split[turned]


LONG = "我们的国家有九百六十万平方公里的土地和十四亿人口，山川秀丽，物产丰富，历史悠久，文化灿烂。"


def test_near_duplicates_are_dropped_or_marked(tmp_path):
    raw = tmp_path / "raw.txt"
    other = LONG.replace("山川", "江河")
    raw.write_text(f"{LONG}\n{other}\n今天下午三点在会议室开会，请大家准时参加，不要迟到，也不要早退。\n")
    report = clean(raw, tmp_path / "drop")
    assert report.kept == 2 and report.dropped["near-duplicate"] == 1
    marking = CorpusRecipe(deduplicate=DeduplicateOptions(near="mark"), heldout=0.5)
    assert clean(raw, tmp_path / "mark", marking).kept == 3
    found = {item.text: item for item in read_documents(tmp_path / "mark")}
    assert found[LONG].cluster == found[other].cluster and found[LONG].split == found[other].split


def test_lines_that_many_documents_share_are_cut_out(tmp_path):
    raw = tmp_path / "raw.jsonl"
    notice = "读者可以在每个星期三的下午到编辑部领取当月的杂志"
    bodies = [
        "春天来了，公园里的花都开了，游人很多",
        "昨晚的比赛主队以三比一取胜，进入决赛",
        "新书下个月出版发行",
    ]
    bodies += ["市政府今天宣布明年修建两条地铁线路", "专家提醒市民注意防范流感病毒的传播"]
    lines = [json.dumps({"text": f"{body}。\n{notice}"}, ensure_ascii=False) for body in bodies]
    raw.write_text("\n".join(lines), encoding="utf-8")
    deduplicate = DeduplicateOptions(near="off", line_documents=4)
    report = clean(raw, tmp_path / "out", CorpusRecipe(deduplicate=deduplicate))
    texts = [item.text for item in read_documents(tmp_path / "out")]
    assert len(texts) == 5 and sum(notice in text for text in texts) == 1
    assert report.edits["repeated line"] == 4


def test_pairs_stay_pairs(tmp_path):
    raw = tmp_path / "pairs.jsonl"
    pair = {"zh": "國家的圖書館今天開放。", "en": "The library is open today."}
    raw.write_text(json.dumps(pair, ensure_ascii=False) + '\n{"zh": "只有一半的句子在这里"}\n')
    reading = ReadOptions(field="zh", pair_field="en")
    conversion = ScriptConversion(name="t2s")
    report = clean(raw, tmp_path / "out", CorpusRecipe(read=reading, convert=(conversion,)))
    (document,) = read_documents(tmp_path / "out")
    assert document.pair_start is not None and report.records == 2
    assert document.text[: document.pair_start - 1] == "国家的图书馆今天开放。"
    assert document.text[document.pair_start :] == pair["en"]


def test_numbers_are_masked_wherever_they_stand(tmp_path):
    raw = tmp_path / "pairs.jsonl"
    records = [
        {
            "zh": "请打电话13812345678找我们。",
            "en": "Call 13812345678 or a0@b.com.",
            "title": "电话13812345678",
        },
        {"zh": "13812345678 13912345678", "en": "13912345678"},
    ]
    raw.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    recipe = CorpusRecipe(
        read=ReadOptions(field="zh", pair_field="en"), filters=FilterOptions(mask=("phone", "email"))
    )
    report = clean(raw, tmp_path / "out", recipe)
    (document,) = read_documents(tmp_path / "out")
    assert (
        document.text == "请打电话[电话]找我们。\nCall [电话] or [邮箱]." and document.title == "电话[电话]"
    )
    assert report.edits["masked phone"] == 3 and report.edits["masked email"] == 1
    assert "13912345678" not in json.dumps(report.as_dict()), "nor in the samples of what was dropped"


def test_a_share_is_converted(tmp_path):
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"第{n}个国家的图书馆开门了。\n" for n in range(1000, 1400)), encoding="utf-8")
    options = {"deduplicate": DeduplicateOptions(near="off"), "filters": FilterOptions(min_characters=2)}
    recipe = CorpusRecipe(convert=(ScriptConversion(name="s2t", share=0.2),), **options)
    report = clean(raw, tmp_path / "out", recipe)
    scripts = [item.script for item in read_documents(tmp_path / "out")]
    assert 50 < scripts.count("traditional") < 110
    assert (
        scripts.count("traditional")
        == report.edits["converted by s2t"]
        == report.scripts["traditional"]["documents"]
    )


def test_bad_input_leaves_nothing(raw, tmp_path):
    out = tmp_path / "sub" / "out"
    empty = tmp_path / "short.txt"
    empty.write_text("短\n", encoding="utf-8")
    with pytest.raises(InputError, match="'txet'") as caught:
        clean(raw, out, CorpusRecipe(read=ReadOptions(field="txet")))
    assert "text" in str(caught.value.hint)
    with pytest.raises(InputError, match="not a JSON object") as caught:
        clean(raw, out, strict=True)
    assert caught.value.where == f"{raw}, line 101"
    with pytest.raises(InputError, match=r"no document was kept of 1 records \(too short: 1\)"):
        clean(empty, out)
    with pytest.raises(InputError, match="no such file"):
        clean([raw, tmp_path / "missing.txt"], out)
    assert not out.exists() and not out.with_name("out.unfinished").exists()


def test_an_existing_directory_is_not_overwritten(raw, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious").write_text("x")
    with pytest.raises(StorageError, match="exists"):
        clean(raw, out)
    with pytest.raises(StorageError, match="something else"):
        clean(raw, out, replace=True)
    assert (out / "precious").read_text() == "x"
    (out / "documents.json").touch()
    clean(raw, out, replace=True)
    assert not (out / "precious").exists() and read_manifest(out).num_documents() == 80


def test_a_damaged_file_stops_the_job_and_mending_it_goes_on(raw, tmp_path, monkeypatch):
    import gzip

    monkeypatch.setattr(blocks, "BLOCK_BYTES", 20_000)  # the files do not share a unit
    packed = tmp_path / "zz.jsonl.gz"
    whole = gzip.compress("".join(f'{{"text": "第{n}份报告写完了。"}}\n' for n in range(9000)).encode(), 1)
    packed.write_bytes(whole[:-9])
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        clean([raw, packed], out)
    assert str(packed) in str(caught.value.where)
    done = list(out.with_name("out.unfinished").rglob("*.texts.parquet"))
    assert done and not out.exists()
    before = {path: path.stat().st_mtime_ns for path in done if "0000000-" in str(path)}
    assert before
    packed.write_bytes(whole)
    seen = []
    report = clean([raw, packed], out, on_progress=lambda *tick: seen.append(tick))
    assert report.resumed and not report.megabytes_per_s
    assert read_manifest(out).num_documents() > 80


def test_other_options_do_not_go_on_with_unfinished_work(raw, tmp_path):
    broken = tmp_path / "broken.txt.gz"
    broken.write_bytes(b"\x1f\x8b\x08" + bytes(40))
    with pytest.raises(InputError):
        clean([raw, broken], tmp_path / "out")
    unfinished = tmp_path / "out.unfinished"
    if not unfinished.exists():  # found before any work began
        (unfinished / "result").mkdir(parents=True)
        (unfinished / "job.json").write_text(RECIPE.model_dump_json())
    with pytest.raises(StorageError, match="heldout") as caught:
        clean(raw, tmp_path / "out", CorpusRecipe(heldout=0.3))
    assert "--restart" in str(caught.value.hint)
    assert clean(raw, tmp_path / "out", CorpusRecipe(heldout=0.3), restart=True).kept == 80


JOB = """
import sys
from pathlib import Path
from erya.corpus.clean import clean_corpus
from erya.corpus.engines.local import LocalEngine
from erya.corpus.recipe import CorpusRecipe
if __name__ == "__main__":
    tell = lambda *tick: print("going", flush=True)
    try:
        clean_corpus([Path(sys.argv[1])], Path(sys.argv[2]), CorpusRecipe(), engine=LocalEngine(2),
                     memory_bytes=1 << 29, on_progress=tell)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_kill_leaves_no_documents_and_no_workers(tmp_path, how):
    raw = tmp_path / "raw.txt"
    raw.write_text("".join(f"第{n}行，这是我们的国家的一行字。\n" for n in range(400_000)), encoding="utf-8")
    script, out = tmp_path / "job.py", tmp_path / "out" / "documents"
    script.write_text(JOB)
    command = [sys.executable, str(script), str(raw), str(out)]
    job = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert job.stdout is not None and job.stdout.readline() == b"going\n"
    workers = _children(job.pid)
    assert len(workers) >= 2
    # As a terminal's Ctrl-C does, to the whole group; a kill only to the job itself.
    os.killpg(job.pid, how) if how == signal.SIGINT else os.kill(job.pid, how)
    status = job.wait(timeout=20)
    job.stdout.close()
    assert status == (130 if how == signal.SIGINT else -signal.SIGKILL)
    assert not out.exists()
    deadline = time.monotonic() + 10
    while any(_is_alive(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_is_alive(worker) for worker in workers)


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
