"""Documents to shards: counted, the same on every engine, gone on with where a run was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marked_documents import document, write_documents, write_tokenizer

import erya.data.documents
from erya.corpus.engines.local import EngineName, LocalEngine
from erya.corpus.mixture import MixtureOptions
from erya.corpus.shard_plan import ShardUnit
from erya.corpus.shards_report import shards_report
from erya.corpus.tokenize import tokenize_corpus
from erya.data.shards import Manifest, Shards
from erya.errors import ConfigError, InputError, StorageError
from erya.tokenizer.wordpiece import Tokenizer


class StoppedEngine:
    """Stops after some shards, as a killed process does; works in the wrong order."""

    name: EngineName = "local"
    workers = 1

    def __init__(self, units: int) -> None:
        self.units = units

    def require_shared(self, directory: Path) -> None:
        pass

    def close(self) -> None:
        pass

    def map(
        self,
        function: Callable[[Any], Any],
        sources: Sequence[Any],
        *,
        expand: Callable[[Any], Iterable[Any]],
    ) -> Generator[Any, None, None]:
        items = [item for source in sources for item in expand(source)][::-1]
        stop = self.units if isinstance(items[0], ShardUnit) else len(items)
        for item in items[:stop]:
            yield function(item)
        if len(items) > stop:
            raise KeyboardInterrupt


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Path], Path]:
    monkeypatch.setattr(erya.data.documents, "ROW_GROUP_CHARACTERS", 20)
    documents = [
        document("|我|爱|北京|天安门|。/|abc"),
        document(" "),
        document("|你好|吗/", split="heldout"),
        document("|我|爱/\n=|ab/"),
    ] * 5
    return [write_documents(tmp_path / "documents", documents)], write_tokenizer(tmp_path / "tokenizer")


def checksums(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_the_manifest_counts_everything(inputs: tuple[list[Path], Path], tmp_path: Path) -> None:
    progress: list[tuple[int, int, int]] = []
    manifest = tokenize_corpus(
        *inputs,
        tmp_path / "shards",
        engine=LocalEngine(1),
        on_progress=lambda *numbers: progress.append(numbers),
    )
    assert manifest.source == {"records": 9}
    assert manifest.empty_documents == 5
    assert (manifest.characters, manifest.text_bytes) == (5 * 20, 5 * (27 + 1 + 9 + 9))
    assert (manifest.num_tokens("train"), manifest.num_tokens("heldout")) == (65, 15)
    assert manifest.unknown_tokens == 5
    train = Shards.open(tmp_path / "shards", split="train", verify=True)
    (shard,) = train.shards
    assert (shard.info.documents, shard.info.sentences, shard.info.pairs) == (10, 20, 5)
    assert np.flatnonzero(shard.pair_starts(0, 13)).tolist() == [12]
    assert train.manifest == manifest
    copied = Tokenizer.open(train.tokenizer_directory)
    train.require_tokenizer(copied.hash, of="itself")
    assert copied.decode(shard.tokens[:10].tolist()) == "我爱北京天安门。abc"
    assert progress[-1] == (100, 100, manifest.text_bytes)
    assert not (tmp_path / "shards.unfinished").exists()


def test_how_the_vocabulary_fits_is_measured(inputs: tuple[list[Path], Path], tmp_path: Path) -> None:
    manifest = tokenize_corpus(*inputs, tmp_path / "shards", engine=LocalEngine(1))
    assert manifest.coverage is not None
    assert manifest.coverage.unknown_characters == (("吗", 5),)
    assert (manifest.coverage.characters, manifest.coverage.tokens) == (90, 80)
    latin = manifest.coverage.by_kind["Latin letters"]
    assert (latin.characters, latin.tokens, latin.unknown) == (25, 15, 0)
    report = shards_report(manifest)
    assert report["tokens"] == {"train": 65, "heldout": 15}
    assert report["unknown_share"] == 5 / 80
    assert report["bytes"] == manifest.num_bytes == 2 * 80 + 3 * (9 + 2) + 8 * 5
    assert sum(kind["unknown"] for kind in report["by_kind"].values()) == 5
    json.dumps(report)
    assert "吗" in (tmp_path / "shards" / "report.html").read_text(encoding="utf-8")


def test_any_number_of_workers_writes_the_same(inputs: tuple[list[Path], Path], tmp_path: Path) -> None:
    for workers in (1, 2):
        tokenize_corpus(*inputs, tmp_path / str(workers), engine=LocalEngine(workers), shard_characters=20)
    assert len(list((tmp_path / "1").glob("train-*"))) > 2
    assert checksums(tmp_path / "1") == checksums(tmp_path / "2")


@pytest.mark.parametrize("mixture", [None, MixtureOptions(by="source", temperature=2, size=300)])
def test_a_stopped_run_goes_on(
    inputs: tuple[list[Path], Path], tmp_path: Path, mixture: MixtureOptions | None
) -> None:
    def run(name: str, engine: Any) -> Manifest:
        return tokenize_corpus(*inputs, tmp_path / name, engine=engine, mixture=mixture, shard_characters=20)

    run("whole", LocalEngine(1))
    with pytest.raises(KeyboardInterrupt):
        run("stopped", StoppedEngine(3))
    summaries = (tmp_path / "stopped.unfinished" / "shards").iterdir()
    done = {path: path.stat().st_mtime_ns for path in summaries}
    assert len(done) == 3
    assert not (tmp_path / "stopped").exists()
    # What a killed worker leaves: a shard half-written, and one whole but not yet said to be done.
    result = tmp_path / "stopped.unfinished" / "result"
    (result / ".train-00000.1.partial").mkdir()
    (result / "train-00000").mkdir(exist_ok=True)
    with pytest.raises(KeyboardInterrupt):
        run("stopped", StoppedEngine(1))
    assert all(path.stat().st_mtime_ns == moment for path, moment in done.items()), "a shard was made twice"
    run("stopped", StoppedEngine(100))
    assert checksums(tmp_path / "stopped") == checksums(tmp_path / "whole")


def test_other_options_are_not_mixed_in(inputs: tuple[list[Path], Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        tokenize_corpus(*inputs, out, engine=StoppedEngine(1), shard_characters=20)
    with pytest.raises(StorageError, match="shard size"):
        tokenize_corpus(*inputs, out, engine=LocalEngine(1), shard_characters=30)
    manifest = tokenize_corpus(*inputs, out, engine=LocalEngine(1), shard_characters=30, restart=True)
    assert Shards.open(out, split="train", verify=True).manifest == manifest


def test_bad_inputs_leave_nothing_behind(inputs: tuple[list[Path], Path], tmp_path: Path) -> None:
    documents, opened = inputs
    out, engine = tmp_path / "shards", LocalEngine(1)
    with pytest.raises(InputError, match="not a documents directory"):
        tokenize_corpus([tmp_path], opened, out, engine=engine)
    with pytest.raises(InputError, match="no tokenizer here"):
        tokenize_corpus(documents, documents[0], out, engine=engine)
    with pytest.raises(InputError, match="given twice"):
        tokenize_corpus(documents * 2, opened, out, engine=engine)
    with pytest.raises(InputError, match="no documents directory was given"):
        tokenize_corpus([], opened, out, engine=engine)
    empty = write_documents(tmp_path / "empty", [document(" ")])
    with pytest.raises(InputError, match="not a single token"):
        tokenize_corpus([empty], opened, out, engine=engine)
    wrong = MixtureOptions(by="source", weights={"tset": 1, "*": 1})
    with pytest.raises(ConfigError, match="did you mean 'test'"):
        tokenize_corpus(documents, opened, out, engine=engine, mixture=wrong)
    assert not out.exists() and not (tmp_path / "shards.unfinished").exists()
    out.mkdir()
    (out / "mine").touch()
    with pytest.raises(StorageError, match="not empty"):
        tokenize_corpus(documents, opened, out, engine=engine)


def test_damaged_documents_are_named(inputs: tuple[list[Path], Path], tmp_path: Path) -> None:
    part = inputs[0][0] / "train-00000.parquet"
    part.write_bytes(part.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot read the documents") as caught:
        tokenize_corpus(*inputs, tmp_path / "shards", engine=LocalEngine(2))
    assert caught.value.where == str(part)
    assert not (tmp_path / "shards").exists()
