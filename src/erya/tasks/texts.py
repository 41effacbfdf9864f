"""Encoding texts within a length limit: what is cut or unknown is counted and shown, never hidden."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from erya.errors import InputError
from erya.tokenizer.any_tokenizer import AnyTokenizer
from erya.tokenizer.encoding import Encoding

_SHOWN = 8
# More [UNK] than this share and the vocabulary was hardly made for these texts.
_MANY_UNKNOWN = 0.05


@dataclass(frozen=True, slots=True)
class LengthLimit:
    """How long an input may be.

    Attributes:
        max_length: tokens, with [CLS] and [SEP].
        truncate: whether longer texts may be cut; otherwise they are an error.
        model_limit: the longest the model can take at all, for the error's advice.
    """

    max_length: int
    truncate: bool
    model_limit: int


@dataclass(slots=True)
class EncodingReport:
    """What encoding did to the texts; reports of parts add up with `+=`.

    Attributes:
        texts: inputs encoded (a pair is one).
        tokens: tokens kept, with [CLS] and [SEP].
        truncated_texts: inputs that lost tokens to the length limit.
        lost_tokens: tokens lost to it.
        unknown_tokens: tokens kept that are [UNK].
        unknown: what stood in the text where [UNK] stands now, with counts.
        longest: tokens the longest input would have had.
        cut_places: where the first few of the truncated inputs stand, with their lengths.
        windowed_texts: inputs cut into several windows, which lose nothing.
        windows: inputs of the network where texts are cut into windows, otherwise 0.
        misfits: annotated spans that do not fit the tokens, by what is the matter with them.
        misfit_places: where the first few of them stand.
    """

    texts: int = 0
    tokens: int = 0
    truncated_texts: int = 0
    lost_tokens: int = 0
    unknown_tokens: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    longest: int = 0
    cut_places: list[str] = field(default_factory=list)
    windowed_texts: int = 0
    windows: int = 0
    misfits: Counter[str] = field(default_factory=Counter)
    misfit_places: list[str] = field(default_factory=list)

    def note_misfit(self, reason: str, place: str) -> None:
        """Count a span that does not fit the tokens; `reason` says what such spans do: begin inside one."""
        self.misfits[reason] += 1
        if len(self.misfit_places) < _SHOWN:
            self.misfit_places.append(place)

    @property
    def truncated_share(self) -> float:
        """Share of the inputs that were cut, in [0, 1]."""
        return self.truncated_texts / self.texts if self.texts else 0.0

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that are unknown, in [0, 1]."""
        return self.unknown_tokens / self.tokens if self.tokens else 0.0

    @property
    def has_many_unknown(self) -> bool:
        """Whether so many tokens are unknown that a user should hear of it."""
        return self.unknown_share > _MANY_UNKNOWN

    def __iadd__(self, other: EncodingReport) -> EncodingReport:
        self.texts += other.texts
        self.tokens += other.tokens
        self.truncated_texts += other.truncated_texts
        self.lost_tokens += other.lost_tokens
        self.unknown_tokens += other.unknown_tokens
        self.unknown.update(other.unknown)
        self.longest = max(self.longest, other.longest)
        self.cut_places = (self.cut_places + other.cut_places)[:_SHOWN]
        self.windowed_texts += other.windowed_texts
        self.windows += other.windows
        self.misfits.update(other.misfits)
        self.misfit_places = (self.misfit_places + other.misfit_places)[:_SHOWN]
        return self

    def note_cut(self, place: str) -> None:
        """Remember where a truncated input stands, if it is among the first few."""
        if len(self.cut_places) < _SHOWN:
            self.cut_places.append(place)

    def require_whole(self, limit: LengthLimit) -> None:
        """Refuse what was cut, unless `limit` allows it.

        Raises:
            InputError: inputs were longer than the limit: how many, which, what to do.
        """
        if limit.truncate or not self.truncated_texts:
            return
        more = self.truncated_texts - len(self.cut_places)
        raised = (
            f", or raise max_length (the longest has {self.longest}, the model takes {limit.model_limit})"
            if limit.max_length < limit.model_limit
            else f" (the longest has {self.longest}, the model takes no more)"
        )
        raise InputError(
            f"{self.truncated_texts:,} of {self.texts:,} texts ({self.truncated_share:.1%}) are longer than "
            f"{limit.max_length} tokens",
            where=_joined(self.cut_places) + (f" and {more:,} more" if more else ""),
            hint=f"--truncate (truncate=True in Python) keeps {limit.max_length} tokens of each{raised}",
        )

    def to_dict(self) -> dict[str, Any]:
        """The counts as plain JSON values, with the commonest unknown pieces."""
        return {
            "texts": self.texts,
            "tokens": self.tokens,
            "truncated_texts": self.truncated_texts,
            "truncated_share": self.truncated_share,
            "lost_tokens": self.lost_tokens,
            "windowed_texts": self.windowed_texts,
            "windows": self.windows,
            "misfits": dict(self.misfits.most_common()),
            "unknown_tokens": self.unknown_tokens,
            "unknown_share": self.unknown_share,
            "unknown": dict(self.unknown.most_common(20)),
        }

    def lines(self) -> list[str]:
        """The report in words, a line each for length and unknown characters."""
        lines = [f"{self.texts:,} texts, {self.tokens:,} tokens"]
        if self.truncated_texts:
            lines.append(
                f"truncated: {self.truncated_texts:,} texts ({self.truncated_share:.1%}), "
                f"{self.lost_tokens:,} tokens lost"
            )
        if self.windowed_texts:
            lines.append(
                f"cut into windows that overlap: {self.windowed_texts:,} texts; {self.windows:,} inputs"
            )
        if self.misfits:
            counts = ", ".join(f"{count:,} {reason}" for reason, count in self.misfits.most_common())
            first = _joined(self.misfit_places)
            lines.append(f"annotated spans that do not fit: {counts}; the first: {first}")
        if self.unknown_tokens:
            shown = " ".join(f"{piece}×{count}" for piece, count in self.unknown.most_common(_SHOWN))
            lines.append(
                f"unknown to the vocabulary: {self.unknown_tokens:,} tokens "
                f"({self.unknown_share:.2%}): {shown}"
            )
        return lines


def encode_texts(
    texts: Sequence[str],
    pairs: Sequence[str] | None,
    tokenizer: AnyTokenizer,
    *,
    limit: LengthLimit,
    places: Sequence[str],
) -> tuple[Sequence[Encoding], EncodingReport]:
    """Encode texts (or pairs of texts) and count what was lost.

    Args:
        texts: S texts.
        pairs: S second texts, or None.
        tokenizer: turns them into ids.
        limit: how long they may be and whether longer ones may be cut.
        places: where each stands (file and line, or its number), for the error message.
    Raises:
        InputError: some are longer than `limit` and it forbids to cut them: how many, which, what to do.
    """
    encodings = tokenizer.encode_batch(texts, pairs, max_length=limit.max_length)
    cut = [index for index, encoding in enumerate(encodings) if encoding.truncated]
    whole = [len(encoding) + encoding.truncated for encoding in encodings]
    report = EncodingReport(
        texts=len(encodings),
        tokens=sum(map(len, encodings)),
        truncated_texts=len(cut),
        lost_tokens=sum(encodings[index].truncated for index in cut),
        longest=max(whole, default=0),
        cut_places=[f"{places[index]} ({whole[index]} tokens)" for index in cut[:_SHOWN]],
    )
    report.require_whole(limit)
    for index, encoding in enumerate(encodings):
        count_unknown(
            report, encoding, texts[index], pairs[index] if pairs is not None else "", tokenizer.unk_id
        )
    return encodings, report


def count_unknown(report: EncodingReport, encoding: Encoding, text: str, pair: str, unk_id: int) -> None:
    """Add the tokens of an encoding that are [UNK], with what stands for them in the texts, to `report`."""
    for place in np.flatnonzero(encoding.ids == unk_id).tolist():
        start, end = encoding.spans[place].tolist()
        report.unknown[(pair if encoding.text_ids[place] == 1 else text)[start:end]] += 1
        report.unknown_tokens += 1


def _joined(places: Sequence[str]) -> str:
    """Places with commas, a file's name only where it changes."""
    shown, last = [], None
    for place in places:
        file, comma, line = place.rpartition(", line ")
        shown.append(f"line {line}" if comma and file == last else place)
        last = file
    return ", ".join(shown)
