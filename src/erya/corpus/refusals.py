"""When a cleaning job stops: what can come to nothing is said at once, not after hours."""

from __future__ import annotations

from typing import NoReturn

from erya.corpus.clean_report import CleanReport
from erya.corpus.job import Job
from erya.corpus.read.tally import NO_FIELD, NOT_JSON
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import BlockSummary
from erya.errors import InputError, nearest_hint


def refuse(summary: BlockSummary, recipe: CorpusRecipe, *, strict: bool, job: Job) -> None:
    """Stop at a file in which no record has the field, and with `strict` at the first problem.

    Raises:
        InputError: there is nothing to go on with.
    """
    readable = summary.records - summary.dropped[NOT_JSON]
    if summary.block == 0 and readable > 0 and summary.dropped[NO_FIELD] == readable:
        job.discard()
        raise InputError(
            f"no record has text in the field {recipe.read.field!r}",
            where=summary.path,
            hint="choose another --field; " + nearest_hint(recipe.read.field, summary.fields),
        )
    if strict and summary.problems:
        job.discard()
        where, _, reason = summary.problems[0].rpartition(": ")
        raise InputError(f"{reason} (and --strict was asked for)", where=where)


def refuse_nothing(report: CleanReport) -> NoReturn:
    """Say why nothing is left."""
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in report.dropped.most_common())
    where = report.problems[0] if report.problems else None
    raise InputError(f"no document was kept of {report.records:,} records ({reasons})", where=where)
