"""Hundreds of small files: few units of work, and documents, counts and places as of each file alone."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from erya.corpus import clean as cleaning
from erya.corpus.clean import clean_corpus
from erya.corpus.clean_report import CleanReport
from erya.corpus.engines.local import LocalEngine
from erya.corpus.read import blocks as blocks_module
from erya.corpus.read import bundles as bundles_module
from erya.corpus.recipe import CorpusRecipe
from erya.data.documents import read_documents
from erya.errors import InputError

HANZI = "我们国家今天气很好北京上海经济发展图书馆开放时间孩子学校老师电影足球比赛"
RECIPE = CorpusRecipe(heldout=0.2)
# What tells the time or how the work was done.
OF_THE_RUN = {"seconds", "resumed", "megabytes_per_s", "peak_memory_bytes", "stages", "engine", "workers"}


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cleaning, "write_page", lambda *_: None)


def clean(raw: Path, out: Path, *, engine: Any = None, **options: Any) -> CleanReport:
    return clean_corpus([raw], out, RECIPE, engine=engine or LocalEngine(1), memory_bytes=1 << 28, **options)


def text_of(number: int) -> str:
    rng = random.Random(number)
    return "".join(rng.choices(HANZI, k=20)) + "，" + "".join(rng.choices(HANZI, k=20)) + "。"


def as_text(encoding: str) -> Callable[[Path, list[str]], None]:
    return lambda path, texts: void(path.write_bytes("\r\n".join(texts).encode(encoding)))


def as_json(path: Path, texts: list[str]) -> None:
    lines = [json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts]
    path.write_text("".join(lines), encoding="utf-8")


def as_csv(path: Path, texts: list[str]) -> None:
    path.write_text("id,text\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(texts)), "gb18030")


def as_wiki(path: Path, texts: list[str]) -> None:
    articles = [f'<doc id="1" title="题">\n{text}\n</doc>\n' for text in texts]
    path.write_text("".join(articles), encoding="utf-8")


def as_parquet(path: Path, texts: list[str]) -> None:
    pq.write_table(pa.table({"text": texts}), path)


def void(_: object) -> None:
    """What writing returns is of no use."""


KINDS: list[tuple[str, Callable[[Path, list[str]], None]]] = [
    ("a{}.txt", as_text("utf-8")),
    ("a{}.txt", as_text("gb18030")),
    ("a{}.txt", as_text("utf-16")),
    ("a{}.jsonl", as_json),
    ("a{}.csv", as_csv),
    ("a{}.tsv", lambda path, texts: void(path.write_text("text\n" + "\n".join(texts), "utf-8"))),
    ("{}/wiki_00", as_wiki),
    ("a{}.parquet", as_parquet),
    ("a{}.txt.gz", lambda path, texts: void(path.write_bytes(gzip.compress("\n".join(texts).encode())))),
    ("a{}.txt.xz", lambda path, texts: void(path.write_bytes(lzma.compress("\n".join(texts).encode())))),
]


def write_file(folder: Path, number: int, texts: list[str]) -> Path:
    name, write = KINDS[number % len(KINDS)]
    path = folder / f"{number // 100}" / name.format(f"{number:03d}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path, texts)
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two hundred files of ten kinds; every fifth text was there before."""
    for number in range(200):
        texts = [text_of(2 * number), text_of(2 * number + 1)]
        if number % 5 == 4:
            texts[1] = text_of(number // 2 * 2)
        write_file(tmp_path / "raw", number, texts)
    return tmp_path / "raw"


def told(report: CleanReport) -> dict[str, Any]:
    return {name: value for name, value in report.as_dict().items() if name not in OF_THE_RUN}


def bytes_of(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*.parquet")}


def kept_units(out: Path) -> dict[str, int]:
    """The units that an unfinished job has done, with the times at which they were."""
    work = out.with_name(out.name + ".unfinished") / "blocks"
    return {str(path.relative_to(work)): path.stat().st_mtime_ns for path in work.glob("*/*.json")}


class Stop(Exception):
    """What ends a job in these tests."""


def stop(*_: object, **__: object) -> None:
    raise Stop


def test_files_of_all_kinds_share_a_unit_and_are_read_as_if_alone(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cleaning, "find_duplicates", stop)
        with pytest.raises(Stop):
            clean(raw, tmp_path / "out")
    assert len(kept_units(tmp_path / "out")) == 1
    report = clean(raw, tmp_path / "out")
    assert report.records == 400 and report.num_files == 200 and report.dropped["exact duplicate"] == 40
    assert [file["records"] for file in report.files] == [2] * 200
    assert sum(file["kept"] for file in report.files) == report.kept == 360
    assert {file["format"] for file in report.files} == {"text", "jsonl", "csv", "tsv", "wiki", "parquet"}
    assert {file["encoding"] for file in report.files} == {"utf-8", "gb18030", "utf-16-le"}
    # Hardly any file shares a unit with the one before it: the same documents.
    monkeypatch.setattr(bundles_module, "MAX_BUNDLE_FILES", 3)
    alone = clean(raw, tmp_path / "alone")
    assert told(alone) == told(report)
    wanted = [(item.text, item.source, item.cluster, item.split) for item in read_documents(tmp_path / "out")]
    assert wanted == [
        (item.text, item.source, item.cluster, item.split) for item in read_documents(tmp_path / "alone")
    ]


class Reversed:
    """An engine whose results come in the wrong order."""

    name, workers = "ray", 2

    def map(
        self,
        function: Callable[[Any], Any],
        sources: Sequence[Any],
        *,
        expand: Callable[[Any], Iterable[Any]],
    ) -> Generator[Any, None, None]:
        items: Iterator[Any] = (item for source in sources for item in expand(source))
        yield from reversed([function(item) for item in items])

    def require_shared(self, directory: Path) -> None:
        assert directory.exists()


def test_order_of_results_kills_and_progress(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles_module, "MAX_BUNDLE_FILES", 16)
    monkeypatch.setattr(cleaning, "_SMALLEST_VOLUME", 3000)
    broken = raw / "1" / "a103.jsonl"
    broken.write_text(broken.read_text() + "{\n" * 8)
    expected = clean(raw, tmp_path / "once")
    assert len(list((tmp_path / "once").glob("train-*.parquet"))) > 4
    ticks: list[tuple[str, int, int, int]] = []
    other = clean(raw, tmp_path / "other", engine=Reversed(), on_progress=lambda *tick: ticks.append(tick))
    assert told(other) == told(expected) and bytes_of(tmp_path / "other") == bytes_of(tmp_path / "once")
    for phase in ("reading", "writing"):
        steps = [tick[1] for tick in ticks if tick[0] == phase]
        assert steps == sorted(steps) and steps[-1] == next(tick[2] for tick in ticks if tick[0] == phase)
    for phase in ("reading", "writing"):
        left = iter(range(4))

        def tell(now: str, *_: int, phase: str = phase, left: Iterator[int] = left) -> None:
            if now == phase and next(left, None) is None:
                raise Stop

        with pytest.raises(Stop):
            clean(raw, tmp_path / "killed", on_progress=tell)
    resumed = clean(raw, tmp_path / "killed")
    assert resumed.resumed and told(resumed) == told(expected)
    assert bytes_of(tmp_path / "killed") == bytes_of(tmp_path / "once")


def test_a_file_that_changes_costs_its_bundle_alone(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles_module, "MAX_BUNDLE_FILES", 32)
    out = tmp_path / "out"
    monkeypatch.setattr(cleaning, "_finish", stop)
    with pytest.raises(Stop):
        clean(raw, out)
    before = kept_units(out)
    changed = write_file(raw, 133, [text_of(5000), text_of(5001), text_of(5002)])
    with pytest.raises(Stop):
        clean(raw, out)
    after = kept_units(out)
    assert len(before) == len(after) == 7
    assert {name for name in after if before.get(name) != after[name]} == {
        name for name in after if name.startswith("0000128-")
    }
    monkeypatch.undo()
    monkeypatch.setattr(bundles_module, "MAX_BUNDLE_FILES", 32)
    report = clean(raw, out)
    assert [file["records"] for file in report.files if file["path"] == str(changed)] == [3]
    monkeypatch.setattr(cleaning, "write_page", lambda *_: None)
    fresh = clean(raw, tmp_path / "fresh")
    assert told(report) == told(fresh) and bytes_of(out) == bytes_of(tmp_path / "fresh")


def test_a_small_file_that_unpacks_to_several_units(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks_module, "BLOCK_BYTES", 20_000)
    (raw / "1" / "a150.txt.gz").write_bytes(
        gzip.compress(("。\n" * 30 + text_of(9999) + "\n").encode() * 500)
    )
    report = clean(raw, tmp_path / "out")
    (file,) = [file for file in report.files if file["path"].endswith("a150.txt.gz")]
    assert file["records"] == 31 * 500 and file["kept"] == 1
    assert report.samples["too short"][0]["where"] == f"{raw / '1' / 'a150.txt.gz'}, line 1"
    monkeypatch.undo()
    assert told(clean(raw, tmp_path / "whole")) == told(report)


def test_mistakes_name_the_file_among_many(raw: Path, tmp_path: Path) -> None:
    path = raw / "1" / "a173.jsonl"
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace('"text"', '"txet"'), encoding="utf-8")
    with pytest.raises(InputError, match="no record has text in the field 'text'") as caught:
        clean(raw, tmp_path / "out")
    assert caught.value.where == str(path) and "txet" in str(caught.value.hint)
    path.write_text(whole + "{\n", encoding="utf-8")
    with pytest.raises(InputError, match="not a JSON object") as caught:
        clean(raw, tmp_path / "out", strict=True)
    assert caught.value.where == f"{path}, line 3"
    report = clean(raw, tmp_path / "out")
    assert report.problems == [f"{path}, line 3: not a JSON object"]
    (raw / "0" / "a000.txt").write_bytes(b"")
    with pytest.raises(InputError, match="the file is empty") as caught:
        clean(raw, tmp_path / "again")
    assert caught.value.where is not None and caught.value.where.startswith(str(raw / "0" / "a000.txt"))
