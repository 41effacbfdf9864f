"""A corpus without evaluation texts: what is dropped and counted, and what a stopped job may go on with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from erya.cli.main import build
from erya.corpus.build import open_build
from erya.corpus.clean import clean_corpus
from erya.corpus.clean_report import CleanReport
from erya.corpus.decontaminate.options import DecontaminateOptions
from erya.corpus.engines.local import LocalEngine
from erya.corpus.recipe import CorpusRecipe
from erya.data.documents import read_documents
from erya.errors import EryaError, InputError, StorageError

TESTS = [
    "这家酒店的位置非常方便，离地铁站只有五分钟的路程，房间虽然不大但是很干净。",
    "科学家在深海热泉附近发现三种未知生物，论文发表在最新一期的期刊上面。",
    "服务很好",
    "一",
]
KEPT = [f"{name}来了，山坡上开满了各种颜色的野花，孩子们在草地上放风筝。" for name in "春夏秋"]
KEPT.append("山里的路又窄又滑，他扶着老人慢慢地走过了那座木头小桥。")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    texts = [
        TESTS[0],
        *KEPT,
        f"{KEPT[0]}报道说：{TESTS[1].replace('发现', '发见')}",
        "服务很好！",
        f"{KEPT[1]}科学家在深海。",
    ]
    path = tmp_path / "raw.jsonl"
    path.write_text("\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in texts))
    return path


@pytest.fixture
def tests_file(tmp_path: Path) -> Path:
    path = tmp_path / "test.tsv"
    path.write_text("".join(f"{label}\t{text}\n" for label, text in enumerate(TESTS)), encoding="utf-8")
    return path


def clean(raw: Path, out: Path, *files: Path, workers: int = 1, share: float = 0.5, **options) -> CleanReport:
    chosen = DecontaminateOptions(files=tuple(map(str, files)), share=share)
    recipe = CorpusRecipe.model_validate(
        {
            "decontaminate": chosen,
            "deduplicate": {"near": "off"},
            "heldout": 0,
            "filters": {"min_characters": 4},
        }
    )
    return clean_corpus([raw], out, recipe, engine=LocalEngine(workers), memory_bytes=1 << 29, **options)


@pytest.mark.parametrize("workers", [1, 2])
def test_documents_with_evaluation_texts_go_and_are_counted(
    raw: Path, tests_file: Path, tmp_path: Path, workers: int
) -> None:
    second = tmp_path / "unseen.txt"
    second.write_text(f"{TESTS[0]}\n没有人见过的一句话就写在这里面了\n", encoding="utf-8")
    report = clean(raw, tmp_path / "out", tests_file, second, workers=workers)
    assert report.dropped["stands in evaluation data"] == 3
    kept = [document.text for document in read_documents(tmp_path / "out")]
    assert kept == [*KEPT, f"{KEPT[1]}科学家在深海。"]
    assert report.kept + sum(report.dropped.values()) == report.records == 8
    counts = {Path(each["path"]).name: each for each in report.evaluation_files}
    assert list(counts) == sorted(counts)
    assert {name: (each["texts"], each["too_short"], each["found"]) for name, each in counts.items()} == {
        "test.tsv": (4, 2, 3),
        "unseen.txt": (2, 0, 1),
    }
    samples = report.samples["stands in evaluation data"]
    assert len(samples) == 3 and samples[0]["where"] == f"{raw}, line 1"
    assert samples[1]["text"].startswith("…") and "深海热泉" in samples[1]["text"]
    assert sum(report.lengths["dropped"]) == 3
    stages = {stage["name"]: stage for stage in report.stages}
    assert stages["filter"]["documents"] == 8 and stages["stands in evaluation data"]["documents"] == 5
    before = stages["filter"]["characters"] - stages["stands in evaluation data"]["characters"]
    assert before == len(TESTS[0]) + len(KEPT[0]) + 4 + len(TESTS[1]) + 5


def test_the_report_says_it(raw: Path, tests_file: Path, tmp_path: Path) -> None:
    report = clean(raw, tmp_path / "out", tests_file)
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert written["evaluation_files"] == report.evaluation_files
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Evaluation data" in page and str(tests_file) in page
    assert "found of" in str(report.rows()) and "3 of 4 texts (2 too short)" in str(report.rows())
    without = clean(raw, tmp_path / "other")
    assert not without.evaluation_files and without.kept == 8
    assert "Evaluation data" not in (tmp_path / "other" / "report.html").read_text(encoding="utf-8")


def stopped(raw: Path, out: Path, *files: Path, **options) -> None:
    """A job that ends when it is about to be whole."""

    def stop(phase: str, *_: object) -> None:
        if phase == "writing":
            raise EryaError("stopped")

    with pytest.raises(EryaError, match="stopped"):
        clean(raw, out, *files, on_progress=stop, **options)


def test_a_stopped_job_goes_on_with_the_same_contents_only(
    raw: Path, tests_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    stopped(raw, out, tests_file)
    before = tests_file.read_text(encoding="utf-8")
    tests_file.write_text(before + "9\t又有一条新的评测文本\n", encoding="utf-8")
    with pytest.raises(StorageError, match=r"changed: decontaminate\.files"):
        clean(raw, out, tests_file)
    tests_file.write_text(before, encoding="utf-8")
    with pytest.raises(StorageError, match=r"changed: decontaminate\.share"):
        clean(raw, out, tests_file, share=0.6)
    with pytest.raises(StorageError, match="changed: decontaminate"):
        clean(raw, out)
    moved = tests_file.rename(tmp_path / "moved.tsv")
    report = clean(raw, out, moved)
    assert report.resumed and report.dropped["stands in evaluation data"] == 3
    assert [(each["path"], each["found"]) for each in report.evaluation_files] == [(str(moved), 3)]


def test_a_stopped_build_goes_on_with_the_same_contents_only(
    raw: Path, tests_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    recipe = CorpusRecipe(decontaminate=DecontaminateOptions(files=(str(tests_file),)))
    with pytest.raises(EryaError, match="stopped"), open_build([str(raw)], out, recipe) as build:
        clean(raw, build.documents, tests_file)
        raise EryaError("stopped")
    tests_file.write_text("别的评测文本写在了这里", encoding="utf-8")
    with pytest.raises(StorageError, match="other options"), open_build([str(raw)], out, recipe):
        pass


def test_files_without_texts_are_errors(raw: Path, tmp_path: Path) -> None:
    empty = tmp_path / "numbers.csv"
    empty.write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(InputError, match="no text to look for") as error:
        clean(raw, tmp_path / "out", empty)
    assert str(empty) in str(error.value)
    with pytest.raises(InputError, match="no evaluation texts"):
        clean(raw, tmp_path / "out", tmp_path / "absent.tsv")
    assert not list(tmp_path.glob("out*")), "a file that is mended is not another one"


def test_the_command_line_takes_several(raw: Path, tests_file: Path, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dev.json").write_text(json.dumps({"t": KEPT[3]}), encoding="utf-8")
    out = tmp_path / "out"
    given = ["--decontaminate", str(tests_file), "--decontaminate", str(tmp_path / "dev")]
    flags = ["--out", str(out), *given, "--near", "off", "--json", "--min-characters", "4"]
    done = CliRunner().invoke(build(), ["corpus", "clean", str(raw), *flags])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["dropped"]["stands in evaluation data"] == 4
    assert sorted(each["found"] for each in report["evaluation_files"]) == [1, 3]


def test_a_build_takes_them_too(raw: Path, tests_file: Path, tmp_path: Path) -> None:
    tokenizer, out = tmp_path / "tokenizer", tmp_path / "out"
    tokenizer.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted(set("".join(KEPT)))]
    (tokenizer / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    given = ["--decontaminate", str(tests_file), "--tokenizer", str(tokenizer), "--out", str(out)]
    done = CliRunner().invoke(build(), ["corpus", "build", str(raw), *given, "--set", "heldout=0.2"])
    assert done.exit_code == 0, done.output
    report = json.loads((out / "documents" / "report.json").read_text(encoding="utf-8"))
    assert report["dropped"]["stands in evaluation data"] == 3
    assert report["evaluation_files"][0]["found"] == 3
