"""Everything that says what a fine-tuning run for sentence vectors is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from erya.checkpoints.info import KindName
from erya.config import StrictModel
from erya.tasks.recipe import ColumnName, DevMonitor, FinetuneRecipe, FinetuneTraining

TextPooling = Literal["cls", "mean", "first_last_mean"]
Objective = Literal["simcse", "in_batch", "cosent"]
# Of pairs with scores, and of those without.
VALUE_SCORES = ("eval_spearman", "eval_pearson")
PAIR_SCORES = ("eval_mrr@10", "eval_ndcg@10", "eval_recall@1", "eval_recall@10")


class EmbedSettings(StrictModel):
    """What a model directory must say for its vectors to be made again.

    Attributes:
        pooling: which states are averaged: the first token's, the mean of the last layer's, the mean of the
            first and the last layer's.
        normalise: whether vectors have length 1.
        query_prefix, passage_prefix: words before a text that asks, and before one that is to be found.
        sizes: widths to which a vector may be cut, besides the whole.
        threshold: pairs whose cosine is at least this mean the same; None where it is not known.
        similar_from: the score from which a pair means the same in truth; None is above the middle of the
            scores at hand. With the threshold that of the dev file is kept.
    """

    pooling: TextPooling = "mean"
    normalise: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""
    sizes: tuple[int, ...] = ()
    threshold: float | None = None
    similar_from: float | None = None


class EmbedMonitor(DevMonitor):
    """Which score on the dev file decides: of scored pairs the first two, of others those behind them."""

    key: Literal[
        "eval_spearman",
        "eval_pearson",
        "eval_mrr@10",
        "eval_ndcg@10",
        "eval_recall@1",
        "eval_recall@10",
        "eval_loss",
    ] = "eval_spearman"
    mode: Literal["min", "max"] = "max"


class EmbedTraining(FinetuneTraining):
    """The training part; a batch is bounded by its examples alone, since memory is by `chunk_tokens`."""

    batch_tokens: int = Field(default=1 << 20, ge=1)
    monitor: EmbedMonitor = EmbedMonitor()


class EmbedRecipe(FinetuneRecipe):
    """A fine-tuning run for sentence vectors.

    Attributes:
        text: column of the text.
        pair: column of the second text.
        score: column of the number that says how alike they are.
        negatives: column of the hard negatives.
        objective: `simcse`: a text lies close to itself under another dropout, far from others;
            `in_batch`: a text lies close to its pair, far from other examples' and from its negatives;
            `cosent`: pairs with a higher score lie closer.
        temperature: cosines are divided by this.
        pooling: see `EmbedSettings`.
        normalise: whether vectors come out with length 1.
        query_prefix, passage_prefix: words before a text, and before pairs and negatives.
        sizes: widths at which the loss is added, too, so that vectors may be cut to them.
        similar_from: see `EmbedSettings`. The threshold is calibrated by it; None is the lowest score above
            the middle of the dev file's.
        chunk_tokens: tokens computed at once, at most: memory, not results.
        batch_size: examples of a batch; all of them are compared with each other.
        train: how to train.
    """

    kind: ClassVar[KindName] = "embed"
    whole_batches: ClassVar[str | None] = "a smaller chunk_tokens (a half), which keeps the batch whole"

    text: ColumnName = "text"
    pair: ColumnName = "pair"
    score: ColumnName = "score"
    negatives: ColumnName = "negatives"
    objective: Objective = "cosent"
    temperature: float = Field(default=0.05, gt=0)
    pooling: TextPooling = "mean"
    normalise: bool = True
    query_prefix: str = ""
    passage_prefix: str = ""
    sizes: tuple[int, ...] = ()
    similar_from: float | None = None
    chunk_tokens: int = Field(default=8192, ge=1)
    batch_size: int = Field(default=64, ge=2)
    train: EmbedTraining = Field(default_factory=EmbedTraining)

    @classmethod
    def watchable(cls, given: Mapping[str, Any]) -> tuple[str, ...]:
        """Which dev scores there may be: whether dev pairs have scores, only the dev file says."""
        usual = PAIR_SCORES if given.get("objective") == "in_batch" else VALUE_SCORES
        return (*usual, *(key for key in (*VALUE_SCORES, *PAIR_SCORES) if key not in usual), "eval_loss")

    @model_validator(mode="after")
    def _batches_stay_whole(self) -> Self:
        if self.train.micro_batch_tokens is not None:
            raise ValueError(
                "train.micro_batch_tokens must be null: the examples of a batch are compared with each "
                "other, so a part of it has another loss; chunk_tokens bounds the memory and keeps it whole"
            )
        if self.classifier_dropout_prob is not None:
            raise ValueError("classifier_dropout_prob must be null: vectors come without a classifier")
        if any(size < 1 for size in self.sizes) or len(set(self.sizes)) != len(self.sizes):
            raise ValueError("sizes are different widths of at least 1")
        return self

    @property
    def columns(self) -> Mapping[str, str]:
        """The fields of a record and the columns they stand in; all but the first may be absent."""
        return {"text": self.text, "pair": self.pair, "score": self.score, "negatives": self.negatives}

    @property
    def settings(self) -> EmbedSettings:
        """What of this the model keeps."""
        return EmbedSettings(
            pooling=self.pooling,
            normalise=self.normalise,
            query_prefix=self.query_prefix,
            passage_prefix=self.passage_prefix,
            sizes=self.sizes,
            similar_from=self.similar_from,
        )
