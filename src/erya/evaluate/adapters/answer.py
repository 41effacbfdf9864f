"""Reading comprehension as outcomes: exact match and character F1, the answer as a claim."""

from __future__ import annotations

import numpy as np

from erya.evaluate.adapters.adapter import Words
from erya.evaluate.measures import Measure, ratio
from erya.evaluate.outcome import Claim, Mark, Outcome
from erya.metrics.answers import character_f1, exact_match
from erya.tasks.answer.reading import Example
from erya.tasks.answer.task import Prediction

_ALL, _EXACT, _F1, _ANSWERABLE, _ANSWERABLE_EXACT, _ANSWERABLE_F1, _REST, _REST_RIGHT = range(8)
_NONE = "no answer"


class AnswerAdapter:
    """Answers that are stretches of a context."""

    classes: tuple[str, ...] = ()
    class_counts = None
    cells: tuple[str, ...] = ()
    scatter = None
    judges_each = True
    words = Words(item="questions", text="context", pair="question", claim="answers", right="exact match")

    def __init__(self, *, may_refuse: bool) -> None:
        """`may_refuse` says whether the model may find that a context has no answer."""
        measures = [ratio("f1", "F1", _F1, _ALL), ratio("exact_match", "exact match", _EXACT, _ALL)]
        if may_refuse:
            measures += [
                ratio("answerable_f1", "F1 where there is an answer", _ANSWERABLE_F1, _ANSWERABLE),
                ratio("unanswerable", "right where there is none", _REST_RIGHT, _REST),
            ]
        self.measures: tuple[Measure, ...] = tuple(measures)

    def outcome(self, example: Example, prediction: Prediction) -> Outcome:
        """Compare the likeliest answer with those of the file."""
        gold = [answer.text for answer in example.answers or ()]
        said = prediction.answers[0].text if prediction.answers else ""
        exact, f1 = exact_match(gold, said), character_f1(gold, said)
        counts = np.zeros(8)
        counts[[_ALL, _EXACT, _F1]] = 1, exact, f1
        if gold:
            counts[[_ANSWERABLE, _ANSWERABLE_EXACT, _ANSWERABLE_F1]] = 1, exact, f1
        else:
            counts[[_REST, _REST_RIGHT]] = 1, exact
        probability = _probability(prediction)
        return Outcome(
            line=example.line,
            text=example.context,
            pair=example.question,
            truth=" / ".join(dict.fromkeys(gold)) or _NONE,
            predicted=said or _NONE,
            is_right=exact,
            severity=(1 - f1) * (1.0 if probability is None else probability),
            counts=counts,
            claims=() if probability is None else (Claim(probability, exact),),
            name=example.id,
            gold=_marks(example),
            found=tuple(Mark(answer.start, answer.end, "") for answer in prediction.answers[:1]),
        )


def _probability(prediction: Prediction) -> float | None:
    """What the model gave its answer, which may be that there is none."""
    return prediction.answers[0].score if prediction.answers else prediction.no_answer_score


def _marks(example: Example) -> tuple[Mark, ...]:
    places = {(answer.start, answer.end) for answer in example.answers or () if answer.start >= 0}
    return tuple(Mark(start, end, "") for start, end in sorted(places))
