"""Tagging without the network: reading, encoding, decoding, scoring.

C tags, T tokens of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.data.records import Record
from erya.errors import InputError, nearest_hint
from erya.metrics.spans import SpanCounts, SpanScores
from erya.tasks.tag.reading import Entity, Example, example_of, require_fit
from erya.tasks.tag.recipe import TagSettings
from erya.tasks.tag.schemes import TagSet
from erya.tasks.tag.targets import pair_windows, tag_windows
from erya.tasks.tag.tokens import TextTokens
from erya.tasks.tag.viterbi import PathProbabilities, Transitions, viterbi
from erya.tasks.task import Encoded, Task
from erya.tasks.texts import EncodingReport, LengthLimit, encode_texts
from erya.tasks.windows import default_stride, encode_windows
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.encoding import Encoding


@dataclass(frozen=True, slots=True)
class Prediction:
    """What stands in one text.

    Attributes:
        text: as it was given.
        entities: in order.
    """

    text: str
    entities: tuple[Entity, ...]

    def to_dict(self) -> dict[str, Any]:
        """The answer as the JSON object `erya predict` prints."""
        return {"text": self.text, "entities": [entity.to_dict() for entity in self.entities]}


class TagTally:
    """Compares entities with the truth, by type and place.

    Args:
        types: of entities.
    """

    def __init__(self, types: Sequence[str]) -> None:
        self._counts = SpanCounts(types)

    def add(self, predictions: Sequence[Prediction], examples: Sequence[Example]) -> None:
        """Compare answers with the entities of their examples, all of which must have some or none."""
        gold = [{(e.start, e.end, e.type) for e in example.entities or ()} for example in examples]
        found = [{(e.start, e.end, e.type) for e in answer.entities} for answer in predictions]
        self._counts.add(gold, found)

    def scores(self) -> SpanScores:
        """The strict scores of all that was added."""
        return self._counts.scores()


@dataclass(frozen=True)
class TagTask:
    """Finding entities of some types, or words.

    How probable an entity is: with tags, the probability of its tokens' tags, whatever the others have, over
    all paths (those the scheme allows, where it constrains them); so for a linear head without constraint the
    product of its tokens' probabilities. With `span_pairs`, the sigmoid of the pair's score.

    Attributes:
        labels: the tags, class c is labels[c]; with `span_pairs` the types.
        options: what else there is to know.
    """

    labels: tuple[str, ...]
    options: TagSettings

    @property
    def settings(self) -> dict[str, Any]:
        """What a model directory keeps."""
        return self.options.model_dump(mode="json")

    @cached_property
    def tags(self) -> TagSet:
        """What the labels mean; of no meaning with `span_pairs`."""
        return TagSet.of_labels(self.labels)

    @property
    def types(self) -> tuple[str, ...]:
        """Of entities."""
        return self.labels if self.options.head == "span_pairs" else self.tags.names

    @cached_property
    def allowed(self) -> Transitions:
        """Which tags may follow one another."""
        if not self.options.constrained:
            return Transitions.none(len(self.labels))
        return self.tags.allowed(outside=not self.options.every_token)

    def read(self, record: Record) -> Example:
        """Check one row with `text` and perhaps `entities`, or with `words` and perhaps `tags`.

        Raises:
            InputError: the text is empty, an entity does not fit it, or its type is not one of the task's.
        """
        example = example_of(record)
        require_fit([example], self.options.bad_entities)
        self.require_types(example)
        return example

    def require_types(self, example: Example) -> None:
        """Check that the task has all types of an example's entities.

        Raises:
            InputError: it lacks one; names the nearest.
        """
        for entity in example.entities or ():
            if entity.type not in self.types:
                raise InputError(
                    f"unknown type {entity.type!r} of {entity.text[:30]!r}; known: {', '.join(self.types)}",
                    where=example.where,
                    hint=nearest_hint(entity.type, self.types),
                )

    def encode(self, examples: Sequence[Example], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Encoded:
        """Turn examples into windows, with targets (see `erya.tasks.tag.targets`) where all truth is known.

        Entities that cannot be learnt are counted in the report, with the reason; they count as missed when
        answers are scored.

        Raises:
            InputError: a type is unknown.
            ConfigError: the stride leaves no room for windows.
        """
        encodings, owners, report = self._windows(examples, tokenizer, limit)
        features = [Features(encoding.ids, encoding.type_ids) for encoding in encodings]
        if all(example.entities is not None for example in examples):
            bounds = np.searchsorted(owners, np.arange(len(examples) + 1)).tolist()
            for example, start, end in zip(examples, bounds[:-1], bounds[1:], strict=True):
                features[start:end] = self._taught(example, encodings[start:end], report)
        return Encoded(features, owners, encodings, report)

    def decode(
        self, outputs: Sequence[NDArray[Any]], encoded: Encoded, examples: Sequence[Example]
    ) -> list[Prediction]:
        """Turn what the head gives for each window into the entities of each text.

        Args:
            outputs: of each sequence, from a linear head the logits of its tokens, shape (n, C); from a CRF
                before these C + 2 rows: scores of first tags, of last tags, and of tag b after a at [a, b];
                from span pairs first token, last token, type and score of each pair, shape (M, 4).
            encoded: the sequences.
            examples: of which they are.
        """
        bounds = np.searchsorted(encoded.owners, np.arange(len(examples) + 1)).tolist()
        own = [slice(start, end) for start, end in pairwise(bounds)]
        tokens = [TextTokens.of(encoded.encodings[part]) for part in own]
        if self.options.head == "span_pairs":
            found = [self._of_pairs(outputs[part], of) for part, of in zip(own, tokens, strict=True)]
        else:
            found = self._of_tags([outputs[part] for part in own], tokens)
        return [
            Prediction(
                example.text,
                tuple(Entity(a, b, kind, example.text[a:b], score) for a, b, kind, score in places),
            )
            for example, places in zip(examples, found, strict=True)
        ]

    def tally(self) -> TagTally:
        """An empty one."""
        return TagTally(self.types)

    def _windows(
        self, examples: Sequence[Example], tokenizer: AnyTokenizer, limit: LengthLimit
    ) -> tuple[list[Encoding], NDArray[np.int64], EncodingReport]:
        """The inputs of examples, and which is of which."""
        texts, places = [example.text for example in examples], [example.where for example in examples]
        if limit.truncate:
            encodings, report = encode_texts(texts, None, tokenizer, limit=limit, places=places)
            return list(encodings), np.arange(len(texts)), report
        stride = default_stride(limit.max_length) if self.options.stride is None else self.options.stride
        windows = encode_windows(texts, None, tokenizer, limit=limit, stride=stride, places=places)
        return windows.encodings, windows.owners, windows.report

    def _taught(
        self, example: Example, encodings: Sequence[Encoding], report: EncodingReport
    ) -> list[Features]:
        def misfit(reason: str, entity: Entity) -> None:
            report.note_misfit(reason, f"{example.where} ({entity.type} {entity.text[:20]!r})")

        self.require_types(example)
        tokens = TextTokens.of(encodings)
        if self.options.head == "span_pairs":
            return pair_windows(example.entities or (), tokens, encodings, self.types, misfit)
        return tag_windows(example.entities or (), tokens, encodings, self.tags, misfit)

    def _of_tags(
        self, outputs: Sequence[Sequence[NDArray[Any]]], tokens: Sequence[TextTokens]
    ) -> list[list[tuple[int, int, str, float]]]:
        """Start, end, type and probability of the entities of each text; all texts at once."""
        moves = self.allowed
        if self.options.head == "crf":
            moves, outputs = _without_moves(outputs, moves)
        parts = [of.merge(rows)[of.takes_part] for of, rows in zip(tokens, outputs, strict=True)]
        bounds = np.cumsum([0, *map(len, parts)])
        emissions = np.concatenate(parts).astype(np.float64)
        tags = viterbi(emissions, bounds, moves)
        firsts, lasts, kinds = self.tags.spans(tags, bounds)
        scores = PathProbabilities(emissions, bounds, moves).of_stretches(tags, firsts, lasts)
        spans = np.concatenate([of.spans[of.takes_part] for of in tokens])
        rows = list(
            zip(spans[firsts, 0].tolist(), spans[lasts, 1].tolist(), kinds, scores.tolist(), strict=True)
        )
        cuts = np.searchsorted(firsts, bounds).tolist()
        return [rows[start:end] for start, end in pairwise(cuts)]

    def _of_pairs(
        self, outputs: Sequence[NDArray[Any]], tokens: TextTokens
    ) -> list[tuple[int, int, str, float]]:
        """Start, end, type and probability of the entities of a text, each from its best window."""
        found: dict[tuple[int, int, str], float] = {}
        for number, rows in enumerate(outputs):
            first, last, kinds = rows[:, :3].astype(np.int64).T
            shift = int(tokens.starts[number] - tokens.firsts[number])
            first, last = first + shift, last + shift
            inside = (first >= tokens.starts[number]) & (last < tokens.ends[number])
            is_best = np.zeros(len(rows), dtype=bool)
            is_best[inside] = tokens.best_window(first[inside], last[inside]) == number
            for row in np.flatnonzero(is_best).tolist():
                place = (int(tokens.spans[first[row], 0]), int(tokens.spans[last[row], 1]))
                key = (*place, self.types[kinds[row]])
                found[key] = max(found.get(key, 0.0), float(1.0 / (1.0 + np.exp(-rows[row, 3]))))
        return [(*key, found[key]) for key in sorted(found)]


def _without_moves(
    outputs: Sequence[Sequence[NDArray[Any]]], allowed: Transitions
) -> tuple[Transitions, list[list[NDArray[Any]]]]:
    """A CRF's transitions, those not allowed left out, and the emissions that stand behind them."""
    num_tags = len(allowed.start)
    first = outputs[0][0].astype(np.float64)
    moves = Transitions(start=first[0], pairs=first[2 : num_tags + 2], end=first[1])
    return moves.allowing(allowed), [[rows[num_tags + 2 :] for rows in own] for own in outputs]


if TYPE_CHECKING:
    _: Task[Example, Prediction] = TagTask((), TagSettings())
