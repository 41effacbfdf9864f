"""Everything that says what a fine-tuning run for tagging is."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from erya.checkpoints.info import KindName
from erya.config import StrictModel
from erya.tasks.recipe import ColumnName, DevMonitor, FinetuneRecipe, FinetuneTraining
from erya.tasks.tag.schemes import SchemeName

HeadName = Literal["linear", "crf", "span_pairs"]
BadEntities = Literal["refuse", "skip"]


class TagSettings(StrictModel):
    """What a model directory must say for its entities to be found again.

    Attributes:
        head: `linear` looks at each token by itself, `crf` at the tags beside it, too; `span_pairs` at each
            pair of a first and a last token, so that entities may nest and overlap.
        scheme: how tags tell entities from each other; of no meaning to `span_pairs`.
        constrained: whether only tags that the scheme allows may follow one another.
        every_token: whether every token is in an entity, as in word segmentation.
        stride: tokens that two windows of a long text share; None is a quarter of the longest input.
        threshold: the least probability of an entity that `span_pairs` gives.
        crf_scale: see `erya.nn.crf.LinearChainCrf`.
        head_size: width of the vectors whose product is the score of a pair.
        bad_entities: what is done about entities that do not fit their text, or overlap where the head cannot
            say so: `skip` does not learn them, and counts them.
    """

    head: HeadName = "linear"
    scheme: SchemeName = "bio"
    constrained: bool = True
    every_token: bool = False
    stride: int | None = Field(default=None, ge=0)
    threshold: float = Field(default=0.5, gt=0, lt=1)
    crf_scale: float = Field(default=100.0, gt=0)
    head_size: int = Field(default=64, ge=2, multiple_of=2)
    bad_entities: BadEntities = "refuse"


class TagMonitor(DevMonitor):
    """Which score on the dev file decides about early stopping and about the best checkpoint."""

    key: Literal["eval_f1", "eval_macro_f1", "eval_precision", "eval_recall", "eval_loss"] = "eval_f1"
    mode: Literal["min", "max"] = "max"


class TagTraining(FinetuneTraining):
    """How a tagger is trained."""

    monitor: TagMonitor = TagMonitor()


class TagRecipe(FinetuneRecipe):
    """A fine-tuning run for tagging; what all tasks have is said in `FinetuneRecipe`.

    A text longer than `max_length` is cut into windows that overlap, and loses nothing; with `truncate` its
    end is cut off instead.

    Attributes:
        text: key of the text, where a file has rows.
        entities: key of the entities: `[{"start", "end", "type"}]` or `[[start, end, type]]`.
        words: key of the words, where rows have a list of words in place of a text.
        tags: key of the list of the words' tags; where a row has none every word is a `word`.
        column: which column of CoNLL lines holds the tag, from 0; negative counts from the right.
        head, scheme, constrained, stride, threshold, crf_scale, head_size, bad_entities: see `TagSettings`.
        train: how to train.
    """

    kind: ClassVar[KindName] = "tag"

    text: ColumnName = "text"
    entities: ColumnName = "entities"
    words: ColumnName = "words"
    tags: ColumnName = "tags"
    column: int = -1
    head: HeadName = "linear"
    scheme: SchemeName = "bio"
    constrained: bool = True
    stride: int | None = Field(default=None, ge=0)
    threshold: float = Field(default=0.5, gt=0, lt=1)
    crf_scale: float = Field(default=100.0, gt=0)
    head_size: int = Field(default=64, ge=2, multiple_of=2)
    bad_entities: BadEntities = "refuse"
    train: TagTraining = TagTraining()

    @model_validator(mode="after")
    def _no_idle_options(self) -> Self:
        of_heads = {
            "scheme": ("linear", "crf"),
            "constrained": ("linear", "crf"),
            "crf_scale": ("crf",),
            "threshold": ("span_pairs",),
            "head_size": ("span_pairs",),
        }
        for name, heads in of_heads.items():
            default = type(self).model_fields[name].default
            if self.head not in heads and getattr(self, name) != default:
                raise ValueError(f"{name} is for head={' and head='.join(heads)}, this is head={self.head}")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The fields of a record and the columns they stand in."""
        return {
            "text": self.text,
            "entities": self.entities,
            "words": self.words,
            "tags": self.tags,
            "column": str(self.column),
        }

    def settings(self, *, every_token: bool) -> TagSettings:
        """What the task is told of this.

        Args:
            every_token: whether every token is in an entity.
        """
        shared = {name: getattr(self, name) for name in TagSettings.model_fields if name != "every_token"}
        return TagSettings(**shared, every_token=every_token)
