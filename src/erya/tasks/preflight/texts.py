"""Checks of the texts alone: empty, damaged, huge, the same twice, the same with two truths, seen before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from erya.tasks.preflight.findings import Finding, Place, counted, finding
from erya.tasks.preflight.sameness import groups_of, keys_of, leaks_between
from erya.tasks.preflight.views import View

TRAINING = "training"
# A text of so many characters is a book or two files run together, and costs what a thousand others cost.
_HUGE = 20_000
# What bytes become that were read in the wrong encoding.
_DAMAGE = ("\ufffd", "锟斤拷", "烫烫烫", "Ã¤", "â€œ")


def check_texts(files: Mapping[str, Sequence[View]]) -> Iterator[Finding]:
    """What is the matter with the texts.

    Args:
        files: the examples of each file, the training file's under `training`.
    """
    for name, views in files.items():
        yield from _odd(name, views)
        yield from _repeated(name, views)
    train = files.get(TRAINING, [])
    for name, views in files.items():
        if name != TRAINING and train and views:
            yield from _seen_before(train, name, views)


def _odd(name: str, views: Sequence[View]) -> Iterator[Finding]:
    empty = [view.place(name) for view in views if not all(text.strip() for text in view.texts)]
    if empty:
        yield finding(
            "empty text", "error", f"{counted(len(empty), name + ' text')} without a character", empty
        )
    huge = [
        view.place(name, f"{size:,} characters")
        for view in views
        if (size := max(map(len, view.texts))) > _HUGE
    ]
    if huge:
        what = f"{counted(len(huge), name + ' text')} of more than {_HUGE:,} characters"
        hint = "cut them into paragraphs, or see that no quotation mark swallowed the lines after it"
        yield finding("huge text", "warning", what, huge, hint=hint)
    damaged = [
        view.place(name, view.shown)
        for view in views
        if any(sign in text for text in view.texts for sign in _DAMAGE)
    ]
    if damaged:
        what = f"{counted(len(damaged), name + ' text')} with signs of a wrong encoding (U+FFFD, 锟斤拷)"
        hint = "read the source again in its own encoding: what was lost does not come back"
        yield finding("damaged text", "warning", what, damaged, hint=hint)


def _repeated(name: str, views: Sequence[View]) -> Iterator[Finding]:
    groups = groups_of(keys_of(views, marks=False))
    if len(views) > 1 and groups and len(groups[0]) == len(views):
        what = f"all {len(views):,} {name} texts are the same: there is nothing to learn from them"
        hint = "is this the right text column?"
        yield finding("all identical", "error", what, [views[0].place(name)], hint=hint, count=len(views))
        return
    if groups:
        extra = sum(len(group) - 1 for group in groups)
        what = f"{counted(extra, name + ' text')} ({extra / len(views):.1%}) that stood there before"
        places = [_beside(name, views, place, group[0]) for group in groups for place in group[1:]]
        yield finding("duplicate text", "note", what, places)
    # A question mark may make the difference: here punctuation counts.
    torn = [group for group in groups_of(keys_of(views, marks=True)) if not _agree(views, group)]
    if torn:
        what = f"{counted(len(torn), name + ' text')} with different truths"
        hint = "the network can be right about one of them only: settle which, or leave both out"
        places = [_beside(name, views, *_torn(views, group), truth=True) for group in torn]
        yield finding("two truths", "warning", what, places, hint=hint)


def _agree(views: Sequence[View], group: Sequence[int]) -> bool:
    return len({views[place].truth for place in group}) == 1


def _torn(views: Sequence[View], group: Sequence[int]) -> tuple[int, int]:
    """The first of a group, and before it one that says something else."""
    first = group[0]
    return next(place for place in group if views[place].truth != views[first].truth), first


def _beside(name: str, views: Sequence[View], place: int, first: int, *, truth: bool = False) -> Place:
    """The place of an example, with the line that has the same text."""
    here, there = views[place], views[first]
    said = f"as line {there.line}"
    if truth and here.labels != there.labels:
        said += f": {_listed(here.labels)} here, {_listed(there.labels)} there"
    return here.place(name, f"{said}: {here.shown}")


def _listed(labels: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(labels)) or "nothing"


def _seen_before(train: Sequence[View], name: str, views: Sequence[View]) -> Iterator[Finding]:
    found = leaks_between(train, views)
    if not found:
        return
    verbatim = sum(leak.verbatim for leak in found)
    almost = f", {len(found) - verbatim:,} of them but for spaces, marks, script, width or case" * (
        verbatim < len(found)
    )
    share = f"{len(found) / len(views):.1%}"
    what = f"{counted(len(found), name + ' text')} ({share}) of the training file too{almost}"
    hint = "the score says too much about new texts: take them out of training, or report both scores"
    places = [Place(name, leak.line, f"training line {leak.train_line}") for leak in found]
    yield finding("leak", "warning", what, places, hint=hint)
