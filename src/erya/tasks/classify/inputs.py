"""Texts and pairs as inputs of a classifier: cut at the limit, or in windows whose evidence is pooled.

F sequences, E examples, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from erya.data.features import Features
from erya.errors import InputError
from erya.tasks.classify.example import Example
from erya.tasks.task import Encoded
from erya.tasks.texts import LengthLimit, encode_texts
from erya.tasks.windows import encode_windows
from erya.tokenizer.any_tokenizer import AnyTokenizer

Targets = dict[str, NDArray[np.generic]]


class ReadsTexts(Protocol):
    """A task that says how its texts are read.

    Attributes:
        stride: tokens that two windows of a long text share; None makes one input of each text.
        pairs: whether the network learnt from pairs; None: nobody knows.
    """

    @property
    def stride(self) -> int | None: ...

    @property
    def pairs(self) -> bool | None: ...


def encode_examples(
    task: ReadsTexts,
    examples: Sequence[Example],
    tokenizer: AnyTokenizer,
    *,
    limit: LengthLimit,
    targets: Callable[[Example], Targets],
) -> Encoded:
    """Turn examples into inputs.

    Args:
        task: whose texts they are.
        examples: pairs all of them, or none.
        tokenizer: turns texts into ids.
        limit: how long an input may be.
        targets: what is to be predicted of an example; each of its windows learns it.
    Raises:
        InputError: texts are longer than `limit` and may neither be truncated nor cut into windows, or only
            some of the examples are pairs, or they are not what the network learnt from.
    """
    texts, seconds = [example.text for example in examples], _seconds_of(examples, task.pairs)
    places = [example.where for example in examples]
    if task.stride is None:
        encodings, report = encode_texts(texts, seconds, tokenizer, limit=limit, places=places)
        owners: NDArray[np.int64] = np.arange(len(examples))
    else:
        cut = encode_windows(texts, seconds, tokenizer, limit=limit, stride=task.stride, places=places)
        encodings, owners, report = cut.encodings, cut.owners, cut.report
    features = [
        Features(encoding.ids, encoding.type_ids, targets(examples[owner]))
        for encoding, owner in zip(encodings, owners.tolist(), strict=True)
    ]
    return Encoded(features, owners, encodings, report)


def pooled(outputs: Sequence[NDArray[Any]], encoded: Encoded) -> NDArray[np.float64]:
    """The logits of each example, the mean over its windows, shape (E, C)."""
    logits = np.stack(outputs).astype(np.float64)
    counts = np.bincount(encoded.owners)
    sums = np.zeros((len(counts), logits.shape[1]))
    np.add.at(sums, encoded.owners, logits)
    return np.asarray(sums / counts[:, None])


def is_paired(examples: Sequence[Example]) -> bool:
    """Whether examples are pairs; of some that are mixed, `encode_examples` says so."""
    return any(example.pair is not None for example in examples)


def _seconds_of(examples: Sequence[Example], pairs: bool | None) -> list[str] | None:
    seconds = [example.pair for example in examples if example.pair is not None]
    if seconds and len(seconds) != len(examples):
        single = next(example for example in examples if example.pair is None)
        raise InputError("some texts have a second text and some have none", where=single.where)
    if examples and pairs is not None and pairs != bool(seconds):
        learnt, given = ("pairs of texts", "one text") if pairs else ("single texts", "a pair")
        hint = (
            "give its second text, too (of a file --pair COLUMN, of lines --tab)" if pairs else "leave it out"
        )
        raise InputError(
            f"the model learnt from {learnt}, this is {given}", where=examples[0].where, hint=hint
        )
    return seconds or None
