"""How long the inputs are in tokens, what would be cut, and what the vocabulary does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from erya.tasks.preflight.findings import Finding, counted, finding
from erya.tasks.preflight.views import View
from erya.tasks.texts import EncodingReport, LengthLimit, count_unknown
from erya.tokenizer.any_tokenizer import AnyTokenizer

_AT_ONCE = 512
_QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99}
_BINS = 24
# Kinds that cut a long input into windows lose nothing.
_MANY_UNKNOWN = 0.05


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of S inputs, with the special ones.

    Attributes:
        tokens: of each input, int64, shape (S,).
        limit: the longest that is read at once.
        unknown: how many of them are unknown, and what stood there.
    """

    tokens: NDArray[np.int64]
    limit: LengthLimit
    unknown: EncodingReport = field(default_factory=EncodingReport)

    @property
    def too_long(self) -> NDArray[np.int64]:
        """The places of the inputs that are longer than the limit, int64."""
        return np.flatnonzero(self.tokens > self.limit.max_length)

    def to_dict(self) -> dict[str, Any]:
        """The distribution as plain JSON values."""
        tokens = self.tokens if len(self.tokens) else np.zeros(1, np.int64)
        counts, edges = np.histogram(tokens, bins=_BINS)
        return {
            "limit": self.limit.max_length,
            "mean": float(tokens.mean()),
            **{name: float(np.quantile(tokens, share)) for name, share in _QUANTILES.items()},
            "longest": int(tokens.max()),
            "too_long": len(self.too_long),
            "too_long_share": len(self.too_long) / len(tokens),
            "unknown_tokens": self.unknown.unknown_tokens,
            "unknown_share": self.unknown.unknown_share,
            "unknown": dict(self.unknown.unknown.most_common(20)),
            "histogram": {"counts": counts.tolist(), "edges": edges.tolist()},
        }


def measure(views: Sequence[View], tokenizer: AnyTokenizer, *, limit: LengthLimit) -> Lengths:
    """Tokenise the texts of examples whole and count.

    Args:
        views: the examples; of one with more than two texts each text is an input.
        tokenizer: the model's.
        limit: how long an input may be.
    """
    report, tokens = EncodingReport(), []
    for start in range(0, len(views), _AT_ONCE):
        for firsts, seconds in _inputs(views[start : start + _AT_ONCE]):
            batch = tokenizer.encode_batch(firsts, seconds)
            for number, encoding in enumerate(batch):
                tokens.append(len(encoding))
                report.tokens += len(encoding)
                second = seconds[number] if seconds else ""
                count_unknown(report, encoding, firsts[number], second, tokenizer.unk_id)
    return Lengths(np.array(tokens, dtype=np.int64), limit, report)


def check_lengths(name: str, views: Sequence[View], lengths: Lengths, *, windows: bool) -> Iterator[Finding]:
    """What is the matter with the lengths of a file's inputs.

    Args:
        name: of the file.
        views: its examples.
        lengths: of their inputs.
        windows: whether the task cuts long inputs into windows, which lose nothing.
    """
    yield from _too_long(name, views, lengths, windows=windows)
    share = lengths.unknown.unknown_share
    if share > _MANY_UNKNOWN:
        commonest = " ".join(f"{piece}×{count}" for piece, count in lengths.unknown.unknown.most_common(8))
        what = f"{share:.1%} of the {name} tokens are unknown to the vocabulary: {commonest}"
        hint = "is it the right model for these texts (script, language, upper case)?"
        yield finding("unknown tokens", "warning", what, hint=hint, count=lengths.unknown.unknown_tokens)


def _too_long(name: str, views: Sequence[View], lengths: Lengths, *, windows: bool) -> Iterator[Finding]:
    places, limit = lengths.too_long, lengths.limit
    if not len(places):
        return
    share = len(places) / len(lengths.tokens)
    what = f"{counted(len(places), name + ' input')} ({share:.1%}) of more than {limit.max_length} tokens"
    said = [
        views[place].place(name, f"{lengths.tokens[place]:,} tokens")
        for place in places.tolist()
        if len(lengths.tokens) == len(views)
    ]
    if windows:
        yield finding("long input", "note", what + ", cut into windows", said, count=len(places))
    elif limit.truncate:
        lost = int((lengths.tokens[places] - limit.max_length).sum())
        what += f": {counted(lost, 'token')} cut off"
        yield finding("long input", "warning", what, said, hint=_raise(limit), count=len(places))
    else:
        hint = f"--truncate cuts them{_raise(limit, ', or ')}"
        yield finding("long input", "error", what, said, hint=hint, count=len(places))


def _raise(limit: LengthLimit, before: str = "") -> str:
    if limit.max_length >= limit.model_limit:
        return ""
    return f"{before}max_length up to {limit.model_limit} is possible"


def _inputs(views: Sequence[View]) -> Iterator[tuple[list[str], list[str] | None]]:
    """Texts and second texts that are encoded together, in the order of the examples."""
    sizes = Counter(len(view.texts) for view in views)
    if set(sizes) == {1}:
        yield [view.texts[0] for view in views], None
    elif set(sizes) == {2}:
        yield [view.texts[0] for view in views], [view.texts[1] for view in views]
    elif views:
        yield [text for view in views for text in view.texts], None
