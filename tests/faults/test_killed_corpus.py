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

# A build of small units. It kills itself when a phase has come so far, if it is asked to.
BUILD = """
import os, signal, sys
from pathlib import Path
from erya.corpus import clean
from erya.corpus.engines.engine import open_engine
from erya.corpus.job import forget_published
from erya.corpus.page import page
from erya.corpus.read import blocks
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.tokenize import tokenize_corpus

blocks.BLOCK_BYTES = 20_000
clean._SMALLEST_VOLUME = 15_000
clean.write_page = page.write_page = lambda *_, **__: None  # pages tell the time

def killed_at(wanted):
    phase, _, calls = wanted.partition(":")
    left = int(calls or -1)
    def tell(now, *_):
        nonlocal left
        left -= now == phase
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return tell

if __name__ == "__main__":
    raw, tokenizer, out, workers, wanted = sys.argv[1:]
    out, tell, engine = Path(out), killed_at(wanted), open_engine("local", workers=int(workers))
    # Killed between the last two steps, it left something to tidy up.
    forget_published(out / "documents")
    forget_published(out / "shards")
    if not (out / "documents").exists():
        clean.clean_corpus(
            [raw], out / "documents", CorpusRecipe(heldout=0.1),
            engine=engine, memory_bytes=1 << 28, on_progress=tell,
        )
    if not (out / "shards").exists():
        tokenize_corpus(
            [out / "documents"], Path(tokenizer), out / "shards",
            engine=engine, shard_characters=10_000, on_progress=lambda *_: tell("tokenising"),
        )
"""
# On the cluster the constants of the modules are as they are: other machines do not see what a script sets.
CLUSTER_BUILD = """
import sys
from pathlib import Path
from erya.corpus.clean import clean_corpus
from erya.corpus.engines.engine import open_engine
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.tokenize import tokenize_corpus

if __name__ == "__main__":
    raw, tokenizer, out, name, address = sys.argv[1:]
    engine = open_engine(name, workers=2, address=address or None)
    documents, shards = Path(out) / "documents", Path(out) / "shards"
    clean_corpus([raw], documents, CorpusRecipe(heldout=0.1), engine=engine, memory_bytes=1 << 28)
    tokenize_corpus([documents], Path(tokenizer), shards, engine=engine)
"""
HANZI = "我们国家今天气很好北京上海经济发展图书馆开放时间孩子学校老师电影足球比赛"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Raw text with duplicates of both kinds, a tokenizer, and the script that builds."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = random.Random(7)
    raw = folder / "raw"
    raw.mkdir()
    texts = ["，".join("".join(rng.choices(HANZI, k=11)) for _ in range(8)) + "。" for _ in range(900)]
    texts += [text.replace("京", "宁") for text in texts[::30]] + texts[5:40]
    for number in range(3):
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in texts[number::3]]
        (raw / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    from erya.tokenizer.train import train_vocabulary
    from erya.tokenizer.wordpiece import Tokenizer

    Tokenizer(train_vocabulary(texts, size=512).spec).save(tokenizer)
    for name, script in (("build", BUILD), ("cluster", CLUSTER_BUILD)):
        (folder / f"{name}.py").write_text(script, encoding="utf-8")
    return {"raw": raw, "tokenizer": tokenizer, "folder": folder}


def start(inputs: dict[str, Path], script: str, out: Path, *more: str) -> subprocess.Popen[bytes]:
    paths = [inputs["folder"] / f"{script}.py", inputs["raw"], inputs["tokenizer"], out]
    command = [sys.executable, *map(str, paths), *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def finish(inputs: dict[str, Path], script: str, out: Path, *more: str) -> None:
    process = start(inputs, script, out, *more)
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
    begin, out = time.monotonic(), inputs["folder"] / "uninterrupted"
    finish(inputs, "build", out, "1", "")
    found = checksums(out)
    assert sum(name.startswith("documents/train") for name in found) > 2, "kills need units to fall between"
    assert sum(name.startswith("shards/train") and name.endswith("bin") for name in found) > 2
    return found, time.monotonic() - begin


def done(out: Path) -> tuple[int, int, int, int]:
    """How many units of each phase are done."""
    work = out / "documents.unfinished"
    blocks = list(work.glob("blocks/*/*.json"))
    return (
        len(blocks),
        len(list(work.glob("duplicates.json"))),
        len(list(work.glob("volumes/*.json"))),
        len(list(out.glob("shards.unfinished/shards/*.json"))),
    )


def test_a_kill_within_each_phase_leaves_no_trace(
    inputs: dict[str, Path], uninterrupted: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    moments = (("reading:3", "2"), ("finding duplicates:4", "1"), ("writing:2", "1"), ("tokenising:2", "1"))
    states = []
    for moment, workers in moments:
        process = start(inputs, "build", tmp_path, workers, moment)
        said = process.communicate(timeout=100)[1]
        assert process.returncode == -signal.SIGKILL, said.decode()
        states.append(done(tmp_path))
        assert (tmp_path / "documents").exists() == (moment == moments[-1][0])
    (blocks, *_), (all_blocks, found, volumes, _), (_, _, more_volumes, _), (*_, shards) = states
    assert 3 <= blocks < all_blocks and not found and not volumes
    assert more_volumes >= 1 and shards == 2
    finish(inputs, "build", tmp_path, "1", "")
    assert checksums(tmp_path) == uninterrupted[0]
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.mark.slow
def test_twenty_kills_at_random_leave_no_trace(
    inputs: dict[str, Path], uninterrupted: tuple[dict[str, str], float], tmp_path: Path
) -> None:
    expected, seconds = uninterrupted
    rng, kills, builds = random.Random(20), 0, 0
    while kills < 20:
        out = tmp_path / str(builds)
        process = start(inputs, "build", out, str(rng.choice([1, 2])), "")
        # Python itself takes a second to start: most kills are to come later.
        time.sleep(rng.uniform(0.2, 1.1) * seconds)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        assert process.returncode == 0, process.communicate()[1].decode()
        assert checksums(out) == expected
        builds += 1  # done between two kills: the others go to another build
    finish(inputs, "build", tmp_path / str(builds), "1", "")
    assert checksums(tmp_path / str(builds)) == expected
    assert not list(tmp_path.glob("*/*.unfinished"))


@pytest.mark.slow
def test_a_ray_cluster_of_two_nodes_writes_the_same(inputs: dict[str, Path], tmp_path: Path) -> None:
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="the extra cluster is not installed")
    finish(inputs, "cluster", tmp_path / "local", "local", "")
    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=2)
        finish(inputs, "cluster", tmp_path / "ray", "ray", cluster.address)
    finally:
        cluster.shutdown()
    assert checksums(tmp_path / "ray") == checksums(tmp_path / "local")
