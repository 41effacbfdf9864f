"""A pre-flight: of examples that are read already, or of the files a recipe names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from erya.data.problems import Problems
from erya.errors import EryaError, InputError
from erya.tasks.classify.recipe import ClassifyRecipe
from erya.tasks.kind import AnyKind
from erya.tasks.limits import length_limit
from erya.tasks.preflight.findings import MOST_PLACES, Finding, Findings, counted, finding
from erya.tasks.preflight.labels import check_labels, count_labels
from erya.tasks.preflight.lengths import check_lengths, measure
from erya.tasks.preflight.near import check_near
from erya.tasks.preflight.rows import as_findings, place_of, read_all, refusal
from erya.tasks.preflight.spans import check_spans
from erya.tasks.preflight.texts import TRAINING, check_texts
from erya.tasks.preflight.views import View, views_of
from erya.tasks.recipe import FinetuneRecipe
from erya.tasks.table import KINDS
from erya.tasks.tag.recipe import TagRecipe
from erya.tasks.task import Task
from erya.tasks.texts import EncodingReport, LengthLimit
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.train.protocols import Tell

DEV, TEST = "dev", "test"
# The kinds whose truth is a stretch of text, which the tokens must be able to say.
_SPAN_KINDS = ("tag", "answer")
_AT_ONCE = 512
_MOST_LINES = 8
# What every kind says itself of the files of a run.
_SAID_BY_KINDS = frozenset(
    {"leak", "two truths", "label not scored", "rare class", "answer elsewhere", "answer not in its context"}
)


def preflight(
    kind: AnyKind,
    files: Mapping[str, Sequence[Any]],
    *,
    tokenizer: AnyTokenizer | None = None,
    limit: LengthLimit | None = None,
    windows: bool = False,
    separator: str | None = None,
    nests: bool = False,
    near: bool = False,
) -> Findings:
    """Check examples that are read already.

    Args:
        kind: of the task.
        files: the examples of each file: `training`, and where there are `dev` and `test`.
        tokenizer: the model's; None leaves out lengths and unknown characters.
        limit: how long an input may be; with `tokenizer`.
        windows: whether the task cuts long inputs into windows.
        separator: what stands between several labels of a text; None where it has one.
        nests: whether the task finds entities inside of others.
        near: whether to look for dev and test texts that are nearly the same as training texts.
    """
    views = {name: views_of(kind.name, of, separator=separator) for name, of in files.items()}
    found = Findings(kind.name)
    found.files = {name: {"examples": len(examples)} for name, examples in files.items()}
    found.labels = count_labels(views)
    found.add(check_labels(kind.name, views, found.labels))
    found.add(check_texts(views))
    found.add(check_spans(views, nests=nests))
    found.add(_problems(views))
    if near:
        found.add(check_near(views))
    if tokenizer is not None and limit is not None:
        for name, of in views.items():
            lengths = measure(of, tokenizer, limit=limit)
            found.lengths[name] = lengths.to_dict()
            found.add(check_lengths(name, of, lengths, windows=windows))
    return found


def look_over(kind: AnyKind, recipe: FinetuneRecipe, train: Sequence[Any], dev: Sequence[Any]) -> list[str]:
    """What a run is told of its texts before it starts, beside what the kind itself says of them.

    Args:
        kind: of the task.
        recipe: of the run.
        train: the training examples.
        dev: the dev examples.
    Returns:
        Warnings, a line each.
    Raises:
        InputError: the examples cannot be learnt from.
    """
    files = {TRAINING: train, DEV: dev}
    found = preflight(kind, files, separator=separator_of(recipe), nests=finds_nested(recipe))
    for error in found.of_level("error"):
        is_train = not error.places or error.places[0].file == TRAINING
        lines = ", ".join(f"line {place.line}" for place in error.places[:_MOST_LINES])
        raise InputError(
            error.what,
            where=", ".join(filter(None, (recipe.train_file if is_train else recipe.dev_file, lines))),
            hint=error.hint or f"see: erya check {kind.name}",
        )
    return [each.line() for each in found.of_level("warning") if each.name not in _SAID_BY_KINDS]


def inspect(
    recipe: FinetuneRecipe,
    *,
    dev_file: Path | None,
    test_file: Path | None,
    has_model: bool,
    overfit: bool,
    near: bool = False,
    tell: Tell,
) -> Findings:
    """Read the files of a recipe and check them; what cannot be read is a finding too.

    Args:
        recipe: its training file, columns and options.
        dev_file: examples to choose the best state by; None where there are none yet.
        test_file: examples to score at the end; None where there are none.
        has_model: whether the recipe names a model; without one lengths are not known.
        overfit: whether to train on one batch; takes a model.
        near: as `preflight` has it.
        tell: is told what is being done.
    """
    kind = KINDS[recipe.kind]
    paths = {TRAINING: Path(recipe.train_file), DEV: dev_file, TEST: test_file}
    examples: dict[str, list[Any]] = {}
    broken: list[Finding] = []
    for name, path in paths.items():
        if path is not None:
            tell(f"reading {path}")
            read, findings = read_all(kind, name, path, recipe.columns)
            broken += findings
            if read is not None:
                examples[name] = read
    tokenizer, limit = _opened(recipe) if has_model else (None, None)
    found = preflight(
        kind,
        examples,
        tokenizer=tokenizer,
        limit=limit,
        windows=cuts_windows(recipe),
        separator=separator_of(recipe),
        nests=finds_nested(recipe),
        near=near,
    )
    for name, path in paths.items():
        if path is not None:
            found.files.setdefault(name, {})["path"] = str(path)
    found.add(broken)
    task = _task(kind, recipe, examples, found)
    if task is not None and tokenizer is not None and limit is not None:
        if kind.name in _SPAN_KINDS:
            tell("comparing spans with tokens")
            found.add(_misfits(task, examples, tokenizer, limit))
        if overfit and not found.has_errors:
            tell("training on one batch")
            _overfit(kind, task, recipe, examples[TRAINING], found, tell)
    return found


def cuts_windows(recipe: FinetuneRecipe) -> bool:
    """Whether the recipe's task cuts long inputs into windows, which lose nothing."""
    if isinstance(recipe, ClassifyRecipe):
        return recipe.stride is not None
    return recipe.kind == "answer" or (recipe.kind == "tag" and not recipe.truncate)


def separator_of(recipe: FinetuneRecipe) -> str | None:
    """What stands between several labels of a text in the recipe's files; None where it has one."""
    return recipe.separator if isinstance(recipe, ClassifyRecipe) else None


def finds_nested(recipe: FinetuneRecipe) -> bool:
    """Whether the recipe's head finds entities inside of others."""
    return isinstance(recipe, TagRecipe) and recipe.head == "span_pairs"


def _problems(views: Mapping[str, Sequence[View]]) -> Iterator[Finding]:
    """What reading the examples left out of them."""
    for name, of in views.items():
        problems = Problems(longest=MOST_PLACES)
        for view in of:
            for problem in view.problems:
                problems.note(problem)
        yield from as_findings(name, problems, "warning")


def _task(
    kind: AnyKind, recipe: FinetuneRecipe, examples: Mapping[str, Sequence[Any]], found: Findings
) -> Task[Any, Any] | None:
    """The task of the training examples; None where there is none to be made of them."""
    if not examples.get(TRAINING):
        return None
    try:
        task: Task[Any, Any] = kind.task_for(recipe, examples[TRAINING])
    except InputError as error:
        found.add([refusal(TRAINING, error)])
        return None
    for name in (DEV, TEST):
        try:
            kind.check(task, examples.get(name, []))
        except InputError as error:
            if "unknown label" not in found.names():
                found.add([refusal(name, error)])
    return task


def _opened(recipe: FinetuneRecipe) -> tuple[AnyTokenizer, LengthLimit]:
    """The tokenizer of the recipe's model, and how long its inputs may be."""
    from erya.checkpoints.configuration import read_configuration
    from erya.tokenizer.opening import open_tokenizer

    directory = Path(recipe.model)
    _, foreign, info = read_configuration(directory, headers={})
    positions = foreign.encoder.max_positions
    limit = length_limit(
        recipe.max_length,
        truncate=recipe.truncate,
        default=positions if recipe.random_init else info.max_length,
        positions=positions,
    )
    return open_tokenizer(directory), limit


def _misfits(
    task: Task[Any, Any], examples: Mapping[str, Sequence[Any]], tokenizer: AnyTokenizer, limit: LengthLimit
) -> list[Finding]:
    """Spans that the tokens cannot say: they begin or end inside of one, or are cut off."""
    found = []
    cutting = LengthLimit(limit.max_length, True, limit.model_limit)
    for name, of in examples.items():
        report = EncodingReport()
        for start in range(0, len(of), _AT_ONCE):
            report += task.encode(of[start : start + _AT_ONCE], tokenizer, limit=cutting).report
        if report.misfits:
            total = report.misfits.total()
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.misfits.most_common())
            what = f"{counted(total, name + ' span')} not to be said in tokens: {reasons}"
            places = [place_of(name, place) for place in report.misfit_places]
            hint = "the network can never be right about them"
            found.append(finding("span against tokens", "warning", what, places, hint=hint, count=total))
    return found


def _overfit(
    kind: AnyKind,
    task: Task[Any, Any],
    recipe: FinetuneRecipe,
    train: Sequence[Any],
    found: Findings,
    tell: Tell,
) -> None:
    from erya.tasks.preflight.overfit import overfit_one_batch

    try:
        found.overfit, said = overfit_one_batch(kind, task, recipe, train, tell=tell)
    except EryaError as error:
        said = finding(
            "one batch", "error", f"training on one batch fails: {error.what}", hint=error.hint or ""
        )
    found.add([said])
