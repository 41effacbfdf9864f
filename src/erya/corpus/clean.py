"""`erya corpus clean`: raw files to a documents directory, in phases that can be killed and go on.

1. Blocks of raw text are read, cleaned and filtered by the workers, a unit each (`block_stage`).
2. Duplicates are found among the signatures of all documents (`deduplicate`).
3. What is left is marked and written by the workers, a volume of units each (`volume_stage`).
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from erya.corpus.block_stage import BlockStage
from erya.corpus.clean_counts import CleanCounts
from erya.corpus.clean_report import CleanReport
from erya.corpus.cluster_samples import sample_clusters
from erya.corpus.decontaminate.index import count_found, prepare_index
from erya.corpus.decontaminate.reading import EvaluationFile, find_evaluation_files
from erya.corpus.decontaminate.stage import EvaluationStage
from erya.corpus.deduplicate.cluster import DuplicateCounts, find_duplicates
from erya.corpus.deduplicate.repeated_lines import find_repeated_lines
from erya.corpus.engines.engine import Engine
from erya.corpus.identity import clean_identity
from erya.corpus.job import Job, open_job, read_summary, write_summary
from erya.corpus.page.page import write_page
from erya.corpus.progress import OnProgress, Progress
from erya.corpus.read.bundles import Bundle, bundles
from erya.corpus.read.files import RawFile, find_files
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.refusals import Refusal, refuse_files, refuse_nothing, refuse_within
from erya.corpus.shard_plan import one
from erya.corpus.summaries import BlockSummary, VolumeSummary
from erya.corpus.unfinished import UnfinishedUnits, is_read
from erya.corpus.unit_table import UnitLog, UnitTable
from erya.corpus.volume_stage import VolumeStage
from erya.data.documents import MANIFEST, PartInfo, write_manifest
from erya.errors import InputError
from erya.files import atomic_write, storage_error
from erya.runtime import available_cores, require
from erya.text.segmenters import open_segmenter

REPORT, PAGE, DUPLICATES = "report.json", "report.html", "duplicates.parquet"
# The folder of the job with the index of evaluation texts.
EVALUATION = "evaluation"
# A volume has a sixty-fourth of the corpus, within these bounds: enough of them to share out, not too many.
_VOLUMES, _SMALLEST_VOLUME, _LARGEST_VOLUME = 64, 2_000_000, 64_000_000
# What a job needs at its end had better be missed at its beginning.
_PACKAGES = ("rensa", "duckdb", "jinja2", "matplotlib")


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
    evaluation = find_evaluation_files(recipe.decontaminate.files)
    identity = clean_identity(recipe, evaluation)
    with open_job(out, identity=identity, marker=MANIFEST, replace=replace, restart=restart) as job:
        engine.require_shared(job.directory)
        tell = on_progress or (lambda *_: None)
        if evaluation:
            _index_evaluation(job, evaluation)
        cleaning = _Cleaning(job, files, list(bundles(files)), recipe, engine, memory_bytes, tell)
        counts = CleanCounts(len(files))
        units = cleaning.blocks(counts, strict=strict)
        duplicates = cleaning.duplicates(units)
        cleaning.volumes(units, counts)
        report = counts.finish(files, recipe, duplicates)
        if evaluation:
            report.evaluation_files = count_found(evaluation, job.folder(EVALUATION), counts.evaluation_texts)
        if not report.kept:
            job.discard()
            refuse_nothing(report)
        report.ran_on(engine.name, workers=engine.workers, memory_limit_bytes=memory_bytes)
        report.seconds, report.resumed = time.perf_counter() - started, cleaning.resumed
        report.cluster_samples = sample_clusters(job.directory / DUPLICATES, units, files)
        _finish(job, counts.parts, report)
    return report


def _index_evaluation(job: Job, files: Sequence[EvaluationFile]) -> None:
    """Read the evaluation texts, before anything else."""
    try:
        prepare_index(files, job.folder(EVALUATION))
    except InputError:  # nothing is lost, and a file that is mended would be another
        job.discard()
        raise


@dataclass(slots=True)
class _Cleaning:
    """One job, and its phases; `resumed` once it is seen that a unit was done before."""

    job: Job
    files: Sequence[RawFile]
    bundles: Sequence[Bundle]
    recipe: CorpusRecipe
    engine: Engine
    memory_bytes: int
    tell: OnProgress
    resumed: bool = False

    def blocks(self, counts: CleanCounts, *, strict: bool) -> UnitTable:
        """The first phase: every unit of blocks that is not done yet."""
        self._drop_other()
        progress = Progress("reading", sum(file.size for file in self.files), self.tell)
        refusal, log = Refusal(self.recipe, strict=strict), UnitLog()

        def take(summary: BlockSummary) -> None:
            refusal.look_at(summary)
            progress.block(summary)
            counts.add_block(summary)
            log.add(summary)

        try:
            for summary in self._block_summaries():
                take(summary)
            self.resumed = len(log) > 0
            stage = BlockStage(self.recipe, self._folder, self._evaluation)
            expand = UnfinishedUnits(self._folder, log.keys())
            # Closed by hand: an error's traceback would keep the workers waiting.
            with closing(self.engine.map(stage, self.bundles, expand=expand)) as summaries:
                for summary in summaries:
                    take(summary)
        except InputError:
            if not refusal.documents:  # nothing is lost
                self.job.discard()
            raise
        # Not read again: a folder that others have written into may be seen as it was a minute ago.
        return log.in_order(self.bundles, self._folder)

    def duplicates(self, units: UnitTable) -> DuplicateCounts:
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
        options, target = self.recipe.deduplicate, self.job.directory / DUPLICATES
        counts = find_duplicates(
            units.paths("signatures"),
            target,
            options,
            on_progress=lambda done, total: tell("finding duplicates", done, total, 0),
            **limits,
        )
        find_repeated_lines(units.paths("lines"), target, self._lines, options, **limits)
        shutil.rmtree(scratch)
        write_summary(done, asdict(counts))
        return counts

    def volumes(self, units: UnitTable, counts: CleanCounts) -> None:
        """The third phase: every volume that is not done yet."""
        summaries = self.job.folder("volumes")
        stage = VolumeStage(
            self.recipe,
            blocks=self._folder,
            duplicates=self.job.directory / DUPLICATES,
            lines=self._lines,
            result=self.job.result,
            summaries=summaries,
        )
        progress = Progress("writing", units.characters, self.tell)
        size = min(max(units.characters // _VOLUMES, _SMALLEST_VOLUME), _LARGEST_VOLUME)
        todo = []
        for volume in units.volumes(size):
            done = read_summary(stage.summary_path(summaries, volume.number))
            if done is None:
                todo.append(volume)
            else:
                summary = VolumeSummary.from_dict(done)
                progress.volume(summary)
                counts.add_volume(summary)
        with closing(self.engine.map(stage, todo, expand=one)) as written:
            for summary in written:
                progress.volume(summary)
                counts.add_volume(summary)

    @property
    def _folder(self) -> Path:
        return self.job.directory / "blocks"

    @property
    def _evaluation(self) -> EvaluationStage | None:
        options = self.recipe.decontaminate
        return EvaluationStage(self.job.directory / EVALUATION, options.share) if options.files else None

    @property
    def _lines(self) -> Path:
        return self.job.directory / "repeated_lines.parquet"

    def _block_summaries(self) -> Iterator[BlockSummary]:
        """What is done."""
        for bundle in self.bundles:
            for path in (self._folder / bundle.name).glob("*.json"):
                summary = read_summary(path)
                if summary is not None:
                    yield BlockSummary.from_dict(summary)

    def _drop_other(self) -> None:
        """Forget files that are no longer there or have changed, and all that was concluded from them.

        Makes room for new ones.
        What is concluded goes first, and what shows that it is wrong last: this may be killed, too.
        """
        names = {bundle.name for bundle in self.bundles}
        gone = [path for path in self.job.folder("blocks").iterdir() if path.name not in names]
        begun = (self.job.directory / "duplicates.json").exists()
        fresh = begun and not all(is_read(self._folder / name) for name in names)
        if gone or fresh:
            self.job.clear("volumes")
            self.job.clear(self.job.result.name)
            (self.job.directory / "duplicates.json").unlink(missing_ok=True)
        for folder in gone:
            shutil.rmtree(folder)
        for name in names:
            self.job.folder(f"blocks/{name}")


def _finish(job: Job, parts: Sequence[PartInfo], report: CleanReport) -> None:
    """Write what is said about the whole, and give it its name."""
    values = report.as_dict()
    write_manifest(job.result, parts, report=values)
    try:
        shutil.copyfile(job.directory / DUPLICATES, job.result / DUPLICATES)
    except OSError as error:
        raise storage_error(error, job.result / DUPLICATES) from error
    with atomic_write(job.result / REPORT) as stream:
        stream.write(json.dumps(values, ensure_ascii=False, indent=1).encode())
    write_page(job.result / PAGE, values)
    job.publish()
