"""Checks of spans: those that do not fit their text, lie over each other, or begin or end with a space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from erya.tasks.preflight.findings import Finding, Place, counted, finding
from erya.tasks.preflight.views import MarkedSpan, View

_SHOWN = 30


def check_spans(files: Mapping[str, Sequence[View]], *, nests: bool = False) -> Iterator[Finding]:
    """What is the matter with entities and answers, file by file.

    Args:
        files: the texts.
        nests: whether the head finds entities inside of others.
    """
    for name, views in files.items():
        if any(view.spans for view in views):
            yield from _misplaced(name, views)
            yield from _overlapping(name, views, nests=nests)
            yield from _ragged(name, views)


def _misplaced(name: str, views: Sequence[View]) -> Iterator[Finding]:
    outside: list[Place] = []
    elsewhere: list[Place] = []
    nowhere: list[Place] = []
    for view in views:
        text = view.texts[-1]
        for span in view.spans:
            if not _fits(span, text):
                if span.said is None:
                    place = view.place(name, f"{span.type} from {span.start} to {span.end} of {len(text)}")
                    outside.append(place)
                else:
                    place = view.place(name, span.said[:_SHOWN])
                    (elsewhere if span.said in text else nowhere).append(place)
    if outside:
        what = f"{counted(len(outside), name + ' span')} outside of the text, or empty"
        yield finding("span outside its text", "error", what, outside)
    if elsewhere:
        what = f"{counted(len(elsewhere), name + ' answer')} elsewhere in the context than the file says"
        hint = "bad_answers=mend takes the place of those that occur once"
        yield finding("answer elsewhere", "warning", what, elsewhere, hint=hint)
    if nowhere:
        what = f"{counted(len(nowhere), name + ' answer')} not in the context at all"
        hint = "nothing can be learnt from them; bad_answers=skip leaves them out"
        yield finding("answer not in its context", "warning", what, nowhere, hint=hint)


def _fits(span: MarkedSpan, text: str) -> bool:
    if not 0 <= span.start < span.end <= len(text):
        return False
    return span.said is None or text[span.start : span.end] == span.said


def _overlapping(name: str, views: Sequence[View], *, nests: bool) -> Iterator[Finding]:
    nested: list[Place] = []
    crossing: list[Place] = []
    for view in views:
        spans = sorted(
            (span for span in view.spans if span.said is None), key=lambda span: (span.start, -span.end)
        )
        for place, outer in enumerate(spans):
            for inner in spans[place + 1 :]:
                if inner.start >= outer.end:
                    break
                said = f"{_shown(view, inner)} over {_shown(view, outer)}"
                (nested if inner.end <= outer.end else crossing).append(view.place(name, said))
    if nested and not nests:
        what = f"{len(nested):,} {name} entities inside of others"
        hint = "a row of tags has room for one of the two: use the span-pair head for nested entities"
        yield finding("nested entity", "warning", what, nested, hint=hint)
    if crossing:
        what = f"{len(crossing):,} {name} entities across the end of others"
        yield finding("crossing entity", "warning", what, crossing, hint="one of the two is probably wrong")


def _ragged(name: str, views: Sequence[View]) -> Iterator[Finding]:
    ragged = [
        view.place(name, _shown(view, span))
        for view in views
        for span in view.spans
        if _fits(span, view.texts[-1]) and (found := view.texts[-1][span.start : span.end]) != found.strip()
    ]
    if ragged:
        what = f"{counted(len(ragged), name + ' span')} with white space at an end"
        hint = "no token covers it: such a span is never found to the character"
        yield finding("ragged span", "warning", what, ragged, hint=hint)


def _shown(view: View, span: MarkedSpan) -> str:
    return f"{span.type} {view.texts[-1][span.start : span.end][:_SHOWN]!r}"
