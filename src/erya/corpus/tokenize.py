"""`erya corpus tokenize`: documents to shards, as a job that goes on where it was stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erya.corpus.engines.engine import Engine
from erya.corpus.job import Job, open_job, read_summary
from erya.corpus.mixture import MixtureOptions
from erya.corpus.shard_plan import ShardPlan, one, plan_shards
from erya.corpus.shard_stage import ShardStage, ShardSummary, summary_path
from erya.corpus.shards_report import coverage_of, mixture_of, shards_report
from erya.data import documents as document_files
from erya.data.documents import DocumentsManifest, RowGroup, row_groups
from erya.data.shards import MANIFEST, TOKENIZER, Manifest, dtype_for
from erya.errors import ConfigError, InputError
from erya.files import atomic_write, sha256_of
from erya.runtime import require
from erya.tokenizer.wordpiece import Tokenizer

PAGE = "report.html"
# How the vocabulary fits is measured on so many characters; it takes about twice as long as tokenising them.
_SAMPLE_CHARACTERS = 4_000_000

OnProgress = Callable[[int, int, int], None]


@dataclass(frozen=True, slots=True)
class _Source:
    """One documents directory, under the name it has in mixtures."""

    name: str
    manifest: DocumentsManifest
    sha256: str
    row_groups: tuple[RowGroup, ...]


def tokenize_corpus(
    documents: Sequence[Path],
    tokenizer: Path,
    out: Path,
    *,
    engine: Engine,
    mixture: MixtureOptions | None = None,
    shard_characters: int | None = None,
    replace: bool = False,
    restart: bool = False,
    on_progress: OnProgress | None = None,
) -> Manifest:
    """Turn documents into shards. The outcome does not depend on the engine, nor on how often it was killed.

    Args:
        documents: documents directories.
        tokenizer: the directory of the tokenizer.
        out: the shards directory to make; it appears when it is whole.
        engine: where the work is done.
        mixture: how often groups of documents stand in the training text; None: every document once.
        shard_characters: a shard takes no further row group once it has so many; None: as the text is large.
        replace: whether `out` may be replaced if it is a shards directory.
        restart: throw away what an earlier run left unfinished.
        on_progress: called with the characters done, the characters in all, and the UTF-8 bytes done now.
    Returns:
        The manifest, with all counts.
    Raises:
        InputError: `documents` or `tokenizer` cannot be used, or the documents gave no token.
        ConfigError: the mixture cannot be made.
        CheckpointError: the tokenizer's files contradict each other.
        MissingExtraError: the packages that draw the report are not installed.
        StorageError: `out` is taken, an unfinished run with other options is in the way, or the disk refuses.
        EryaError: a worker process died.
    """
    opened = Tokenizer.open(tokenizer)
    sources = _open_sources(documents)
    for package in ("jinja2", "matplotlib"):  # better now than when the work is done
        require(package)
    identity = _identity(opened, sources, mixture, shard_characters)
    with open_job(out, identity=identity, marker=MANIFEST, replace=replace, restart=restart) as job:
        engine.require_shared(job.directory)
        for left in job.result.glob(".*.partial"):
            shutil.rmtree(left, ignore_errors=True)
        groups = [(source.name, group) for source in sources for group in source.row_groups]
        try:
            plan = plan_shards(
                groups, mixture=mixture, shard_characters=shard_characters, engine=engine, job=job
            )
        except ConfigError:  # nothing can come of it
            job.discard()
            raise
        _write_shards(plan, opened, engine, job, on_progress)
        manifest = _manifest(plan, opened, sources, job)
        if not manifest.shards:
            job.discard()
            raise InputError("the documents gave not a single token", where=", ".join(map(str, documents)))
        _finish(job, manifest, opened)
        job.publish()
    return manifest


def _open_sources(directories: Sequence[Path]) -> list[_Source]:
    paths = [directory.resolve() for directory in directories]
    if not paths:
        raise InputError("no documents directory was given")
    for place, path in enumerate(paths):
        if path in paths[:place]:
            raise InputError("the same documents directory is given twice", where=str(directories[place]))
    names = [path.name for path in paths]
    if len(set(names)) < len(names):
        names = [str(directory) for directory in directories]
    return [_open_source(name, path) for name, path in zip(names, paths, strict=True)]


def _open_source(name: str, path: Path) -> _Source:
    manifest = document_files.read_manifest(path)
    return _Source(name, manifest, sha256_of(path / document_files.MANIFEST), tuple(row_groups(path)))


def _identity(
    tokenizer: Tokenizer,
    sources: Sequence[_Source],
    mixture: MixtureOptions | None,
    shard_characters: int | None,
) -> dict[str, Any]:
    """What the outcome depends on. The names of directories are part of it: the manifest has them."""
    return {
        "job": "tokenize",
        "tokenizer": tokenizer.hash,
        "documents": [[source.name, source.sha256] for source in sources],
        "mixture": mixture.model_dump() if mixture is not None else None,
        "shard size": shard_characters,
    }


def _write_shards(
    plan: ShardPlan, tokenizer: Tokenizer, engine: Engine, job: Job, on_progress: OnProgress | None
) -> None:
    summaries = job.folder("shards")
    stage = ShardStage(
        tokenizer,
        job.result.resolve(),
        summaries.resolve(),
        mixture=plan.mixture,
        sample_share=min(1.0, _SAMPLE_CHARACTERS / max(plan.characters, 1)),
    )
    waiting = [unit for unit in plan.units if not summary_path(summaries, unit).exists()]
    done, text_bytes = plan.characters - sum(unit.characters for unit in waiting), 0
    # Closed by hand: an error's traceback would keep the workers waiting.
    with closing(engine.map(stage, waiting, expand=one)) as results:
        for characters, read in results:
            done, text_bytes = done + characters, text_bytes + read
            if on_progress is not None:
                on_progress(done, plan.characters, text_bytes)


def _manifest(plan: ShardPlan, tokenizer: Tokenizer, sources: Sequence[_Source], job: Job) -> Manifest:
    folder = job.folder("shards")
    read = [read_summary(summary_path(folder, unit)) for unit in plan.units]
    summaries = [ShardSummary.model_validate(summary) for summary in read]
    reports = {source.name: source.manifest.report for source in sources}
    return Manifest(
        tokenizer_hash=tokenizer.hash,
        vocab_size=tokenizer.vocab_size,
        dtype=dtype_for(tokenizer.vocab_size),
        characters=sum(summary.characters for summary in summaries),
        text_bytes=sum(summary.text_bytes for summary in summaries),
        uncovered_characters=sum(summary.uncovered for summary in summaries),
        empty_documents=sum(summary.empty for summary in summaries),
        source=reports if len(sources) > 1 else sources[0].manifest.report,
        mixture=mixture_of(plan.mixture, summaries) if plan.mixture is not None else None,
        coverage=coverage_of(summaries),
        shards=tuple(summary.shard for summary in summaries if summary.shard is not None),
    )


def _finish(job: Job, manifest: Manifest, tokenizer: Tokenizer) -> None:
    """Write what stands beside the shards."""
    from erya.corpus.page.page import write_page

    tokenizer.save(job.folder(f"{job.result.name}/{TOKENIZER}"))
    with atomic_write(job.result / MANIFEST) as stream:
        stream.write(json.dumps(manifest.model_dump(), ensure_ascii=False, indent=1).encode())
    # Of several directories the reports tell of different raw files; the page shows one story.
    report = manifest.source if "stages" in manifest.source else {}
    write_page(job.result / PAGE, report, shards=shards_report(manifest))
