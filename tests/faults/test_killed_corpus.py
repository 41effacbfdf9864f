"""A build that is killed again and again ends in the files of one that was not; Ray ends in the same ones."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

BUILD = """
import sys
from pathlib import Path
from erya.corpus.clean import clean_corpus
from erya.corpus.engines.engine import open_engine
from erya.corpus.read import blocks
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.tokenize import tokenize_corpus

blocks.BLOCK_BYTES = 20_000
if __name__ == "__main__":
    raw, tokenizer, out, engine, address = sys.argv[1:]
    with_engine = {"engine": open_engine(engine, workers=2, address=address or None)}
    if not (Path(out) / "documents").exists():
        recipe = CorpusRecipe(heldout=0.1)
        clean_corpus([raw], Path(out) / "documents", recipe, memory_bytes=1 << 28, **with_engine)
    if not (Path(out) / "shards").exists():
        tokenize_corpus([Path(out) / "documents"], Path(tokenizer), Path(out) / "shards", **with_engine)
"""
WORDS = [
    "我们",
    "国家",
    "今天",
    "天气",
    "很好",
    "北京",
    "上海",
    "经济",
    "发展",
    "science",
    "2026",
    "图书馆",
    "开放",
    "时间",
    "孩子",
    "学校",
    "老师",
    "电影",
    "足球",
    "比赛",
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Raw text with duplicates of both kinds, a tokenizer, and the script that builds."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = random.Random(7)
    raw = folder / "raw"
    raw.mkdir()
    texts = ["，".join("".join(rng.choices(WORDS, k=6)) for _ in range(8)) + "。" for _ in range(900)]
    texts += [text.replace("北京", "南京") for text in texts[::30]] + texts[5:40]
    for number in range(3):
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts[number::3]]
        (raw / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    from erya.tokenizer.train import train_vocabulary
    from erya.tokenizer.wordpiece import Tokenizer

    Tokenizer(train_vocabulary(texts, size=512).spec).save(tokenizer)
    script = folder / "build.py"
    script.write_text(BUILD, encoding="utf-8")
    return {"raw": raw, "tokenizer": tokenizer, "script": script, "folder": folder}


def start(
    inputs: dict[str, Path], out: Path, engine: str = "local", address: str = ""
) -> subprocess.Popen[bytes]:
    paths = [str(inputs[name]) for name in ("script", "raw", "tokenizer")]
    command = [sys.executable, *paths, str(out), engine, address]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def finish(inputs: dict[str, Path], out: Path, engine: str = "local", address: str = "") -> None:
    process = start(inputs, out, engine, address)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()


def checksums(out: Path) -> dict[str, str]:
    """Of everything that does not tell the time."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix in (".parquet", ".bin", ".bits", ".txt")
    }


@pytest.fixture(scope="module")
def uninterrupted(inputs: dict[str, Path]) -> tuple[dict[str, str], float]:
    """The checksums of a build that nobody killed, and the seconds it took."""
    begin = time.monotonic()
    finish(inputs, inputs["folder"] / "uninterrupted")
    return checksums(inputs["folder"] / "uninterrupted"), time.monotonic() - begin


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_kills_leave_no_trace(
    inputs: dict[str, Path], uninterrupted: tuple[dict[str, str], float], tmp_path: Path, kills: int
) -> None:
    expected, seconds = uninterrupted
    assert any(name.startswith("shards/train") for name in expected)
    rng = random.Random(kills)
    killed = 0
    while killed < kills:
        process = start(inputs, tmp_path)
        # Long enough for one unit now and then: the starting of Python alone takes most of a short run.
        time.sleep(rng.uniform(0.2, 1.1) * seconds)
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()[1].decode()
            if kills > 2 and not os.environ.get("ERYA_KILL_ONCE"):
                # The build was done too early: kill another one for the rest.
                assert checksums(tmp_path) == expected
                tmp_path = tmp_path / "again"
                tmp_path.mkdir()
                continue
            break
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        killed += 1
    finish(inputs, tmp_path)
    assert {name: sha for name, sha in checksums(tmp_path).items() if "again" not in name} == expected
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_writes_the_same(
    inputs: dict[str, Path], uninterrupted: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="the extra cluster is not installed")
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=2)
        finish(inputs, tmp_path, "ray", cluster.address)
    finally:
        cluster.shutdown()
    assert checksums(tmp_path) == uninterrupted[0]
