"""A Ray cluster of two nodes makes what this machine makes alone, and says clearly what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from erya.corpus.engines.engine import Engine, open_engine
from erya.corpus.job import write_summary
from erya.corpus.limits import plan_workers
from erya.corpus.places import UnitFiles
from erya.corpus.read.bundles import bundles
from erya.corpus.read.files import find_files
from erya.corpus.read.options import ReadOptions
from erya.corpus.shard_plan import one
from erya.corpus.unfinished import UnfinishedUnits
from erya.corpus.unit_table import unit_key
from erya.errors import ConfigError, EryaError, InputError, StorageError

pytest.importorskip("ray.data", reason="the extra cluster is not installed")

CHARACTERS = (
    "我们国家今天气很好北京上海经济发展科学图书馆开放时间孩子校老师电影足球比赛人民生活工作问题研究社会"
)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one processor each: two workers need both."""
    from ray.cloudpickle import register_pickle_by_value
    from ray.cluster_utils import Cluster

    register_pickle_by_value(sys.modules[__name__])  # workers cannot import it

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    started.add_node(num_cpus=1)
    yield started
    started.shutdown()


@pytest.fixture
def engine(cluster: Any) -> Iterator[Engine]:
    with closing(open_engine("ray", address=cluster.address)) as opened:
        yield opened


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with raw text, one file of several blocks and some small ones, and a tokenizer."""
    from erya.tokenizer.train import train_vocabulary
    from erya.tokenizer.wordpiece import Tokenizer

    folder = tmp_path_factory.mktemp("inputs")
    rng = random.Random(7)
    texts = [
        "，".join("".join(rng.choices(CHARACTERS, k=12)) for _ in range(12)) + "。" for _ in range(24_000)
    ]
    texts += texts[5:400:7] + [text.replace("北", "南") for text in texts[:900:30]]
    (folder / "raw").mkdir()
    parts = [texts[:22_000], *(texts[start : start + 300] for start in range(22_000, len(texts), 300))]
    for number, part in enumerate(parts):
        lines = [json.dumps({"text": text}, ensure_ascii=False) for text in part]
        (folder / "raw" / f"{number}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "tokenizer").mkdir()
    Tokenizer(train_vocabulary(texts[:1000], size=512).spec).save(folder / "tokenizer")
    return folder


def erya(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from erya.cli.main import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


def checksums(out: Path) -> dict[str, str]:
    """Of everything that does not tell the time."""
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.suffix in (".parquet", ".bin", ".bits", ".txt")
    }


def node_of(number: int) -> tuple[int, str]:
    import ray

    time.sleep(0.05)
    return number, ray.get_runtime_context().get_node_id()


class Dies:
    """Ends its process at the number 3: once, or whenever it sees it."""

    def __init__(self, mark: Path, *, once: bool) -> None:
        self.mark, self.once = mark, once

    def __call__(self, number: int) -> int:
        if number == 3 and not (self.once and self.mark.exists()):
            self.mark.touch()
            os._exit(9)
        return number


class ReaderDies(Dies):
    """Gives a megabyte with each number up to the one asked for, and dies on the way."""

    def __call__(self, count: int) -> Iterator[tuple[int, bytes]]:
        for number in range(count):
            yield super().__call__(number), bytes(1 << 20)


class Marks:
    """Leaves a file for each item it is done with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, number: int) -> int:
        time.sleep(0.1)
        (self.folder / str(number)).touch()
        return number


def number_of(item: tuple[int, bytes]) -> int:
    return item[0]


def refuse_three(number: int) -> int:
    if number == 3:
        raise InputError("three", where="line 3", hint="take two")
    if number == 4:
        raise PermissionError(13, "no", "four.txt")
    return number


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no-such-host.invalid:6379", "garbage", "ray://a:1"])
def test_an_address_without_a_cluster_is_refused_at_once(address: str) -> None:
    with (
        closing(open_engine("ray", address=address)) as engine,
        pytest.raises(ConfigError, match="Ray cluster"),
    ):
        list(engine.map(number_of, [1], expand=one))


def test_no_work_starts_no_cluster() -> None:
    import ray

    assert list(open_engine("ray").map(number_of, [], expand=one)) == []
    assert not ray.is_initialized()


def test_a_cluster_of_its_own_takes_memory_from_the_workers() -> None:
    sizes = {"memory_bytes": 2 << 30, "work_bytes": 1 << 40}
    assert plan_workers(3, **sizes) == 3
    with pytest.raises(ConfigError, match="3 workers do not fit"):
        plan_workers(3, **sizes, engine_bytes=600 << 20)


def test_a_reader_asked_twice_gives_the_same_blocks(tmp_path: Path) -> None:
    # Ray counts the items of a reader that died: one that left out what was done meanwhile would lose others.
    path = tmp_path / "raw.txt"
    path.write_text((CHARACTERS * 30_000 + "\n") * 3, encoding="utf-8")
    (bundle,) = bundles(find_files([path], ReadOptions()))
    reader = UnfinishedUnits(tmp_path, np.array([unit_key(0, 1)]))
    first = [unit.number for unit in reader(bundle)]
    write_summary(UnitFiles(tmp_path / bundle.name, 0).summary, {})
    assert [unit.number for unit in reader(bundle)] == first == [0, 2]


@pytest.mark.slow
def test_both_nodes_work(engine: Engine) -> None:
    from ray.data import DataContext

    before = DataContext.get_current().target_max_block_size
    assert engine.workers == 2
    results = dict(engine.map(node_of, range(100), expand=one))
    assert sorted(results) == list(range(100)) and len(set(results.values())) == 2
    assert DataContext.get_current().target_max_block_size == before


@pytest.mark.slow
def test_documents_and_shards_are_those_of_the_local_engine(cluster: Any, inputs: Path) -> None:
    # Relative names: the nodes were started in another directory.
    common = ("corpus", "build", "raw", "--tokenizer", "tokenizer", "--set", "heldout=0.1", "--workers", "2")
    local = erya(*common, "--out", "local", cwd=inputs)
    assert local.returncode == 0, local.stderr
    ray = erya(*common, "--out", "ray", "--engine", "ray", "--address", cluster.address, cwd=inputs)
    assert ray.returncode == 0, ray.stderr
    assert checksums(inputs / "ray") == checksums(inputs / "local")
    assert len(list((inputs / "ray" / "documents").glob("train-*.parquet"))) > 1
    assert len(list((inputs / "ray" / "documents").glob("heldout-*.parquet"))) > 1
    # Ray itself says nothing.
    assert ray.stderr == local.stderr.replace("local/", "ray/")
    assert len(ray.stdout.splitlines()) == len(local.stdout.splitlines())


@pytest.mark.slow
def test_a_truncated_file_is_named_as_the_local_engine_does(cluster: Any, tmp_path: Path) -> None:
    line = json.dumps({"text": CHARACTERS}, ensure_ascii=False).encode() + b"\n"
    whole = gzip.compress(b"".join(line.replace(b"\xe6", b"\xe7", n % 9) for n in range(50_000)), 1)
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    common = ("corpus", "clean", "cut.jsonl.gz", "--out", "documents")
    local = erya(*common, cwd=tmp_path)
    ray = erya(*common, "--restart", "--engine", "ray", "--address", cluster.address, cwd=tmp_path)
    assert ray.returncode == 2 and "cut.jsonl.gz" in ray.stderr
    assert ray.stderr == local.stderr


@pytest.mark.slow
def test_mistakes_come_through(engine: Engine) -> None:
    with pytest.raises(InputError) as caught:
        list(engine.map(refuse_three, [1, 2, 3], expand=one))
    assert (caught.value.what, caught.value.where, caught.value.hint) == ("three", "line 3", "take two")
    with pytest.raises(PermissionError) as refused:
        list(engine.map(refuse_three, [4], expand=one))
    assert refused.value.filename == "four.txt"


@pytest.mark.slow
def test_the_dead_are_replaced_unless_they_die_again_and_again(engine: Engine, tmp_path: Path) -> None:
    assert sorted(engine.map(Dies(tmp_path / "one", once=True), range(8), expand=one)) == list(range(8))
    reader = ReaderDies(tmp_path / "two", once=True)
    assert sorted(engine.map(number_of, [8], expand=reader)) == list(range(8))
    with pytest.raises(EryaError, match="lost work"):
        list(engine.map(Dies(tmp_path / "three", once=False), range(8), expand=one))


@pytest.mark.slow
def test_nothing_is_at_work_when_the_results_are_not_wanted_any_more(engine: Engine, tmp_path: Path) -> None:
    results = engine.map(Marks(tmp_path), range(200), expand=one)
    next(results)
    results.close()
    done = len(list(tmp_path.iterdir()))
    time.sleep(1)
    assert len(list(tmp_path.iterdir())) == done < 200


@pytest.mark.slow
def test_a_folder_only_this_process_sees_is_refused(engine: Engine, tmp_path: Path) -> None:
    engine.require_shared(tmp_path)
    # Open files have numbers, and under these names, in this process only.
    descriptor = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(StorageError, match="does not see"):
            engine.require_shared(Path(f"/proc/self/fd/{descriptor}"))
    finally:
        os.close(descriptor)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_node_that_goes_away_takes_no_work_with_it(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    with closing(open_engine("ray", workers=4, address=cluster.address)) as engine:
        results = engine.map(Marks(tmp_path), range(150), expand=one)
        first = next(results)
        time.sleep(3)
        cluster.remove_node(node, allow_graceful=False)
        assert sorted([first, *results]) == list(range(150))


@pytest.mark.slow
def test_a_cluster_of_its_own_ends_with_the_engine() -> None:
    import ray

    with closing(open_engine("ray", workers=1, memory_bytes=1 << 30)) as engine:
        assert list(engine.map(str, [1], expand=one)) == ["1"]
        assert ray.cluster_resources()["CPU"] == 1
        assert ray.cluster_resources()["object_store_memory"] <= 1 << 28
    assert not ray.is_initialized()
