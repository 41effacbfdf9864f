"""When a cleaning job stops: what can come to nothing is said at once, not after hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from erya.corpus.clean_report import CleanReport
from erya.corpus.places import MAX_FILES
from erya.corpus.read.files import RawFile
from erya.corpus.read.tally import ONE_OF_PAIR
from erya.corpus.recipe import CorpusRecipe
from erya.corpus.summaries import BlockSummary
from erya.errors import InputError, nearest_hint


class Refusal:
    """Looks at what was read, and stops where a person has to decide.

    Args:
        recipe: which fields are wanted.
        strict: whether the first problem is one to stop at.

    Attributes:
        documents: how many were kept so far.
    """

    def __init__(self, recipe: CorpusRecipe, *, strict: bool) -> None:
        self._recipe, self._strict = recipe, strict
        self.documents = 0

    def look_at(self, summary: BlockSummary) -> None:
        """Stop at a file in which no record has the fields, and with `strict` at the first problem.

        Raises:
            InputError: a person has to decide.
        """
        self.documents += summary.documents
        if summary.without_text:
            raise _without_text(summary.without_text, self._recipe)
        if self._strict and summary.problems:
            where, _, reason = summary.problems[0].rpartition(": ")
            hint = (
                "mend or leave out the file; without --strict such things are mended or left out, and counted"
            )
            raise InputError(f"{reason} (and --strict was asked for)", where=where, hint=hint)


def _without_text(found: Mapping[str, Any], recipe: CorpusRecipe) -> InputError:
    """What is wrong with a file whose first block has not one record with the wanted fields."""
    where, known, field, pair = found["path"], found["fields"], recipe.read.field, recipe.read.pair_field
    if pair is not None and found["reason"] == ONE_OF_PAIR:
        missing = pair if pair not in known else field
        hint = f"choose another --field or --pair-field; {nearest_hint(missing, known)}"
        return InputError(f"no record has both {field!r} and {pair!r}", where=where, hint=hint)
    missing = pair if pair is not None and field in known else field
    hint = f"choose another field, or leave the file out; {nearest_hint(missing, known)}"
    return InputError(f"no record has text in the field {missing!r}", where=where, hint=hint)


def refuse_within(out: Path, raw: Sequence[str | Path]) -> None:
    """Refuse to write where it is read: the next run would take this one's files for raw text.

    Raises:
        InputError: a directory of raw files holds `out`.
    """
    for given in raw:
        if Path(given).is_dir() and out.resolve().is_relative_to(Path(given).resolve()):
            raise InputError(
                f"the result would lie in the directory of raw text {given}",
                where=f"--out {out}",
                hint="choose a place outside of it",
            )


def refuse_files(files: Sequence[RawFile]) -> None:
    """Refuse more files than can be numbered.

    Raises:
        InputError: there are too many.
    """
    if len(files) > MAX_FILES:
        hint = "join small files to larger ones, or clean them in several runs"
        raise InputError(f"{len(files):,} raw files; {MAX_FILES:,} are the most", hint=hint)


def refuse_nothing(report: CleanReport) -> NoReturn:
    """Say why nothing is left."""
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in report.dropped.most_common())
    where, hint = next(iter(report.problems), None), None
    samples = [sample for found in report.samples.values() for sample in found]
    if where is None and samples:
        where = f"{samples[0]['where']}: {samples[0]['text'][:40]!r}"
        hint = "relax what left them out: see the filters in erya corpus clean --help and in a recipe"
    what = f"no document was kept of {report.records:,} records ({reasons})"
    raise InputError(what, where=where, hint=hint)
