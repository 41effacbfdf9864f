"""Masking as a recipe says it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any, Literal, Self

from pydantic import Field, model_serializer, model_validator

from erya.config import StrictModel
from erya.pretrain.masking.patterns import PatternShares
from erya.pretrain.masking.rate import Rate
from erya.pretrain.masking.replacement import Shares
from erya.pretrain.masking.units import TOKENS, WORDS, Units, ngrams, spans

UnitName = Literal["token", "word", "ngram", "span"]
Similarity = Literal["pinyin", "shape", "neighbours"]


class RateRecipe(StrictModel):
    """A share of the tokens: a number, or `{from, to, tokens}` for one that moves in a straight line.

    Attributes:
        start: the share at the beginning; in a recipe `from`.
        to: the share in the end.
        tokens: of the run, until it is reached.
    """

    start: float = Field(alias="from", gt=0, le=1)
    to: float = Field(gt=0, le=1)
    tokens: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _a_number_is_a_constant(cls, given: Any) -> Any:
        if isinstance(given, str):  # YAML takes 3e-1 for text
            with suppress(ValueError):
                given = float(given)
        if isinstance(given, int | float) and not isinstance(given, bool):
            return {"from": given, "to": given, "tokens": 0}
        if not isinstance(given, dict | RateRecipe):
            raise ValueError("give a share in (0, 1], or {from: share, to: share, tokens: number}")
        return given

    @model_serializer
    def _as_written(self) -> Any:
        if self.start == self.to and not self.tokens:
            return self.to
        return {"from": self.start, "to": self.to, "tokens": self.tokens}

    @property
    def rate(self) -> Rate:
        return Rate(self.start, self.to, self.tokens)


class ReplaceRecipe(StrictModel):
    """What the model sees in place of the tokens it is to predict; the rest stays as it is.

    Attributes:
        mask: share that becomes [MASK].
        random: share that becomes any token.
        similar: share that becomes a similar token (`masking.similar` says which those are).
    """

    mask: float = Field(default=0.8, ge=0, le=1)
    random: float = Field(default=0.1, ge=0, le=1)
    similar: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _shares_of_one(self) -> Self:
        if (total := self.mask + self.random + self.similar) > 1 + 1e-9:
            raise ValueError(f"mask, random and similar add up to {total:g}; at most 1 can be replaced")
        return self

    @property
    def shares(self) -> Shares:
        return Shares(mask=self.mask, random=self.random, similar=self.similar)


class SimilarRecipe(StrictModel):
    """Which tokens are similar.

    Attributes:
        by: `pinyin` (said alike), `shape` (written alike), `neighbours` (near in an encoder's embeddings);
            of several each gives its part.
        model: the encoder for `neighbours`, a model directory; None takes `init_from`.
        num_candidates: at most so many for a token.
    """

    by: tuple[Literal["pinyin", "shape", "neighbours"], ...] = Field(
        default=("pinyin", "shape"), min_length=1
    )
    model: str | None = None
    num_candidates: int = Field(default=10, ge=1, le=1000)

    @model_validator(mode="after")
    def _a_model_for_neighbours_only(self) -> Self:
        if self.model is not None and "neighbours" not in self.by:
            raise ValueError("model is for neighbours; add neighbours to by, or leave model out")
        return self


class PatternsRecipe(StrictModel):
    """Which tokens see which, as shares of the sequences that add up to 1.

    Attributes:
        both: all tokens see all.
        left_to_right: a token sees those left of it.
        right_to_left: a token sees those right of it.
        prefix: a quarter to three quarters of the sequence are seen by all; only what comes after it is
            predicted, from left to right.
    """

    both: float = Field(default=1.0, ge=0, le=1)
    left_to_right: float = Field(default=0.0, ge=0, le=1)
    right_to_left: float = Field(default=0.0, ge=0, le=1)
    prefix: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _shares_of_one(self) -> Self:
        total = self.both + self.left_to_right + self.right_to_left + self.prefix
        if abs(total - 1) > 1e-6:
            rest = 1 - (total - self.both)
            advice = f": set both={rest:g}" if 0 <= rest <= 1 else ""
            raise ValueError(
                f"both, left_to_right, right_to_left and prefix add up to {total:g}, not to 1{advice}"
            )
        return self

    @property
    def shares(self) -> PatternShares:
        return PatternShares(self.both, self.left_to_right, self.right_to_left, self.prefix)

    @property
    def is_plain(self) -> bool:
        """Whether all tokens of every sequence see all."""
        return not (self.left_to_right or self.right_to_left or self.prefix)


class MaskingRecipe(StrictModel):
    """Which tokens to predict, and what the model sees in their place.

    Attributes:
        prob: expected share of the tokens; a number or `{from, to, tokens}`.
        unit: what is predicted together: single tokens, whole words, runs of words with `ngram_weights`, or
            runs with geometric lengths, all of whose tokens are replaced in the same way.
        ngram_weights: share of runs of 1, 2, ... words.
        span_mean: mean number of words of a span.
        span_max: greatest number.
        replace: what the model sees.
        similar: which tokens are similar; needed with `replace.similar`.
    """

    prob: RateRecipe = Field(default=RateRecipe.model_validate(0.15))
    unit: UnitName = "word"
    ngram_weights: tuple[float, ...] = Field(default=(0.4, 0.3, 0.2, 0.1), min_length=1, max_length=16)
    span_mean: float = 3.8
    span_max: int = Field(default=10, ge=1, le=100)
    replace: ReplaceRecipe = ReplaceRecipe()
    similar: SimilarRecipe | None = None

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if min(self.ngram_weights) < 0 or not sum(self.ngram_weights):
            raise ValueError("ngram_weights are shares: none below 0, not all of them 0")
        try:
            self.units_of("span")
        except ValueError as error:
            raise ValueError(
                f"{error}: set span_mean to 1 or more, and less than (span_max + 1) / 2"
            ) from None
        if self.replace.similar and self.similar is None:
            raise ValueError("replace.similar needs similar, e.g. {by: [pinyin, shape]}")
        if self.similar is not None and not self.replace.similar:
            raise ValueError("similar is not used: give replace.similar a share")
        return self

    def require_used(self, units: Collection[UnitName]) -> None:
        """Check that no lengths of units are given that are not among those in use.

        Raises:
            ValueError: lengths would change nothing.
        """
        for name, unit in (("ngram_weights", "ngram"), ("span_mean", "span"), ("span_max", "span")):
            if unit not in units and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"masking.{name} is not used: set masking.unit={unit}, or leave it out")

    def units_of(self, unit: UnitName) -> Units:
        """The units of a name, with this recipe's lengths."""
        if unit == "ngram":
            return ngrams(self.ngram_weights)
        if unit == "span":
            return spans(mean=self.span_mean, longest=self.span_max)
        return WORDS if unit == "word" else TOKENS
