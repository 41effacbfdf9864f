"""`erya corpus clean`: raw files to a documents directory, in phases that can be killed and go on.

1. Blocks of raw text are read, cleaned and filtered by the workers (`block_stage`).
2. Duplicates are found among the signatures of all documents (`deduplicate`).
3. What is left is marked and written by the workers, a volume of blocks each (`volume_stage`).
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from erya.corpus.block_stage import BlockStage
from erya.corpus.clean_report import CleanReport
from erya.corpus.cluster_samples import sample_clusters
from erya.corpus.deduplicate.cluster import DuplicateCounts, find_duplicates
from erya.corpus.deduplicate.repeated_lines import find_repeated_lines
from erya.corpus.engines.engine import Engine
from erya.corpus.job import Job, open_job, read_summary, write_summary
from erya.corpus.page.page import write_page
from erya.corpus.places import BlockFiles, folder_name
from erya.corpus.read.blocks import Block, read_blocks
from erya.corpus.read.files import RawFile, find_files
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.refusals import Refusal, refuse_files, refuse_nothing, refuse_within
from erya.corpus.shard_plan import one
from erya.corpus.summaries import BlockSummary, VolumeSummary
from erya.corpus.volume_stage import Volume, VolumeStage
from erya.data.documents import MANIFEST, PartInfo, write_manifest
from erya.errors import InputError
from erya.files import atomic_write, storage_error
from erya.runtime import available_cores, require
from erya.text.segmenters import open_segmenter

REPORT, PAGE, DUPLICATES = "report.json", "report.html", "duplicates.parquet"
# A volume has a sixty-fourth of the corpus, within these bounds: enough of them to share out, not too many.
_VOLUMES, _SMALLEST_VOLUME, _LARGEST_VOLUME = 64, 2_000_000, 64_000_000
_BLOCK_COUNT = "blocks.json"
# What a job needs at its end had better be missed at its beginning.
_PACKAGES = ("rensa", "duckdb", "jinja2", "matplotlib")

# Told the phase, what is done of it, what there is in all, and the bytes of raw text done.
OnProgress = Callable[[str, int, int, int], None]


def clean_corpus(
    raw: Sequence[str | Path],
    out: Path,
    recipe: CorpusRecipe,
    *,
    engine: Engine,
    memory_bytes: int,
    strict: bool = False,
    replace: bool = False,
    restart: bool = False,
    on_progress: OnProgress | None = None,
) -> CleanReport:
    """Clean, filter, deduplicate, segment and split raw files.

    The outcome depends on the files and the recipe only, not on the engine or on how often the job was
    killed. Of documents that are the same the first is kept.

    Args:
        raw: files, directories, globs, URLs.
        out: the documents directory to make; it appears when it is whole. Until then the work lies in
            `OUT.unfinished`, where the same call goes on after it was stopped.
        recipe: what happens to a record.
        engine: where the work is done.
        memory_bytes: what the search for duplicates may use in this process; beyond it spills to the disk.
        strict: whether a record that cannot be read is an error instead of a count.
        replace: whether `out` may be replaced if it is a documents directory.
        restart: whether to throw away what an earlier run left unfinished.
        on_progress: told how far the job is.
    Returns:
        The counts, which are also written to `report.json` and, for people, to `report.html`.
    Raises:
        InputError: a file cannot be used, no record of one has the field, or nothing was kept.
        ConfigError: the segmenter cannot be what was asked for.
        StorageError: `out` is taken or the disk refuses.
        EryaError: a worker process died.
        MissingExtraError: a package of the extra `corpus` is not installed.
    """
    started = time.perf_counter()
    for package in _PACKAGES:
        require(package)
    open_segmenter(recipe.segmenter)  # a wrong option of it, too, shows now
    refuse_within(out, raw)
    files = find_files(raw, recipe.read)
    refuse_files(files)
    identity = recipe.model_dump(mode="json")
    with open_job(out, identity=identity, marker=MANIFEST, replace=replace, restart=restart) as job:
        engine.require_shared(job.directory)
        folders = {file.number: job.folder(f"blocks/{folder_name(file)}") for file in files}
        tell = on_progress or (lambda *_: None)
        cleaning = _Cleaning(job, files, folders, recipe, engine, memory_bytes, tell)
        resumed = cleaning.is_begun
        blocks = cleaning.blocks(strict=strict)
        duplicates = cleaning.duplicates(blocks)
        volumes = cleaning.volumes(blocks)
        report = CleanReport.of(files, recipe, blocks, duplicates, volumes)
        if not report.kept:
            job.discard()
            refuse_nothing(report)
        report.ran_on(engine.name, workers=engine.workers, memory_limit_bytes=memory_bytes)
        report.seconds, report.resumed = time.perf_counter() - started, resumed
        report.cluster_samples = sample_clusters(job.directory / DUPLICATES, folders, files)
        _finish(job, volumes, report)
    return report


@dataclass(slots=True)
class _Cleaning:
    """One job: where its files are (`folders` of the blocks of each raw file), and its phases."""

    job: Job
    files: Sequence[RawFile]
    folders: Mapping[int, Path]
    recipe: CorpusRecipe
    engine: Engine
    memory_bytes: int
    tell: OnProgress

    @property
    def is_begun(self) -> bool:
        """Whether any block is done."""
        return next(self._block_summaries(), None) is not None

    def blocks(self, *, strict: bool) -> list[BlockSummary]:
        """The first phase: every block that is not done yet."""
        self._drop_other(set(self.folders.values()))
        progress = _Progress("reading", sum(file.size for file in self.files), self.tell)
        refusal, blocks = Refusal(self.recipe, strict=strict), []
        try:
            for summary in self._block_summaries():
                refusal.look_at(summary)
                progress.block(summary)
                blocks.append(summary)
            stage = BlockStage(self.recipe, self.folders)
            # Closed by hand: an error's traceback would keep the workers waiting.
            done = frozenset((summary.file, summary.block) for summary in blocks)
            expand = UnfinishedBlocks(self.folders, done)
            with closing(self.engine.map(stage, self.files, expand=expand)) as summaries:
                for summary in summaries:
                    refusal.look_at(summary)
                    progress.block(summary)
                    blocks.append(summary)
        except InputError:
            if not refusal.documents:  # nothing is lost
                self.job.discard()
            raise
        # Not read again: a folder that others have written into may be seen as it was a minute ago.
        return sorted(blocks, key=lambda summary: (summary.file, summary.block))

    def duplicates(self, blocks: Sequence[BlockSummary]) -> DuplicateCounts:
        """The second phase: what is the same as what."""
        done = self.job.directory / "duplicates.json"
        found = read_summary(done)
        if found is not None:
            sizes = {int(size): count for size, count in found["sizes"].items()}
            return DuplicateCounts(**found | {"sizes": sizes})
        tell = self.tell
        self.job.clear("scratch")  # of a run that was killed
        scratch = self.job.folder("scratch")
        limits: dict[str, Any] = {
            "memory_bytes": self.memory_bytes,
            "threads": min(self.engine.workers, available_cores()),
            "scratch": scratch,
        }
        files = [self._files(summary) for summary in blocks]
        options, target = self.recipe.deduplicate, self.job.directory / DUPLICATES
        counts = find_duplicates(
            [file.signatures for file in files],
            target,
            options,
            on_progress=lambda done, total: tell("finding duplicates", done, total, 0),
            **limits,
        )
        find_repeated_lines([file.lines for file in files], target, self._lines, options, **limits)
        shutil.rmtree(scratch)
        write_summary(done, asdict(counts))
        return counts

    def volumes(self, blocks: Sequence[BlockSummary]) -> list[VolumeSummary]:
        """The third phase: every volume that is not done yet."""
        summaries = self.job.folder("volumes")
        stage = VolumeStage(
            self.recipe,
            duplicates=self.job.directory / DUPLICATES,
            lines=self._lines,
            result=self.job.result,
            summaries=summaries,
        )
        volumes = [Volume(number, tuple(map(self._files, part))) for number, part in enumerate(_cut(blocks))]
        done = [read_summary(stage.summary_path(summaries, volume.number)) for volume in volumes]
        results = [VolumeSummary.from_dict(summary) for summary in done if summary is not None]
        todo = [volume for volume, summary in zip(volumes, done, strict=True) if summary is None]
        progress = _Progress("writing", sum(summary.characters for summary in blocks), self.tell)
        progress.volumes(results)
        with closing(self.engine.map(stage, todo, expand=one)) as written:
            for result in written:
                results.append(result)
                progress.volumes([result])
        return sorted(results, key=lambda result: result.number)

    @property
    def _lines(self) -> Path:
        return self.job.directory / "repeated_lines.parquet"

    def _files(self, summary: BlockSummary) -> BlockFiles:
        return BlockFiles(self.folders[summary.file], summary.block)

    def _block_summaries(self) -> Iterator[BlockSummary]:
        """What is done, in the order of files and blocks."""
        for folder in self.folders.values():
            for path in sorted(folder.glob("*.json")):
                summary = read_summary(path) if path.name != _BLOCK_COUNT else None
                if summary is not None:
                    yield BlockSummary.from_dict(summary)

    def _drop_other(self, folders: set[Path]) -> None:
        """Forget files that are no longer there or have changed, and all that was concluded from them.

        What is concluded goes first, and what shows that it is wrong last: this may be killed, too.
        """
        gone = [path for path in self.job.folder("blocks").iterdir() if path not in folders]
        begun = (self.job.directory / "duplicates.json").exists()
        fresh = begun and not all((folder / _BLOCK_COUNT).exists() for folder in folders)
        if gone or fresh:
            self.job.clear("volumes")
            self.job.clear(self.job.result.name)
            (self.job.directory / "duplicates.json").unlink(missing_ok=True)
        for folder in gone:
            shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class UnfinishedBlocks:
    """Reads the blocks of a file that are not done yet; a file that is done is not opened.

    Asked again, because the process that read has died, it gives the same blocks: what is done was found out
    before the work began.

    Args:
        folders: for each file the folder of its blocks.
        done: the numbers of files and blocks that are done.
    """

    folders: Mapping[int, Path]
    done: frozenset[tuple[int, int]]

    def __call__(self, file: RawFile) -> Iterator[Block]:
        """The blocks of `file` still to be worked on."""
        folder = self.folders[file.number]
        known = read_summary(folder / _BLOCK_COUNT)
        if known is not None and all((file.number, number) in self.done for number in range(known["blocks"])):
            return
        count = 0
        for block in read_blocks(file):
            count += 1
            if (file.number, block.number) not in self.done:
                yield block
        write_summary(folder / _BLOCK_COUNT, {"blocks": count})


class _Progress:
    """How far one phase is, for whoever watches."""

    def __init__(self, phase: str, total: int, tell: OnProgress) -> None:
        self._phase, self._total, self._tell = phase, total, tell
        self._positions: dict[int, int] = {}
        self._done = self._raw_bytes = 0

    def block(self, summary: BlockSummary) -> None:
        self._raw_bytes += summary.raw_bytes
        self._positions[summary.file] = max(self._positions.get(summary.file, 0), summary.position)
        self._tell(self._phase, sum(self._positions.values()), self._total, self._raw_bytes)

    def volumes(self, summaries: Sequence[VolumeSummary]) -> None:
        self._done += sum(summary.characters_read for summary in summaries)
        # Of Chinese text a character is three bytes: near enough for a rate to look at.
        self._tell(self._phase, self._done, self._total, 3 * self._done)


def _cut(blocks: Sequence[BlockSummary]) -> Iterator[list[BlockSummary]]:
    """Consecutive blocks in volumes: the same ones whoever does the work."""
    total = sum(block.characters for block in blocks)
    size = min(max(total // _VOLUMES, _SMALLEST_VOLUME), _LARGEST_VOLUME)
    volume: list[BlockSummary] = []
    characters = 0
    for block in blocks:
        volume.append(block)
        characters += block.characters
        if characters >= size:
            yield volume
            volume, characters = [], 0
    if volume:
        yield volume


def _finish(job: Job, volumes: Sequence[VolumeSummary], report: CleanReport) -> None:
    """Write what is said about the whole, and give it its name."""
    parts = [PartInfo.model_validate(part) for volume in volumes for part in volume.parts]
    write_manifest(job.result, parts, report=report.as_dict())
    try:
        shutil.copyfile(job.directory / DUPLICATES, job.result / DUPLICATES)
    except OSError as error:
        raise storage_error(error, job.result / DUPLICATES) from error
    with atomic_write(job.result / REPORT) as stream:
        stream.write(json.dumps(report.as_dict(), ensure_ascii=False, indent=1).encode())
    write_page(job.result / PAGE, report.as_dict())
    job.publish()
