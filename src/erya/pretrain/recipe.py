"""A pre-training run, written down whole."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.models.config import EncoderConfig
from erya.pretrain.masking.recipe import MaskingRecipe
from erya.pretrain.sizes import SIZES, SizeName, sized
from erya.train.recipe import Monitor, TrainRecipe


class ModelRecipe(EncoderConfig):
    """Sizes of a model to be made. Its vocabulary is that of the shards, so the recipe does not say it."""

    vocab_size: int = Field(default=0, ge=0, exclude=True)
    pad_id: int = Field(default=0, ge=0, exclude=True)

    @model_validator(mode="after")
    def _vocabulary_is_of_the_shards(self) -> Self:
        if given := self.model_fields_set & {"vocab_size", "pad_id"}:
            raise ValueError(f"leave out {', '.join(sorted(given))}: the shards' vocabulary says it")
        return self


class DataRecipe(StrictModel):
    """What to train on.

    Attributes:
        shards: directory that `erya corpus tokenize` wrote.
        max_length: most tokens of a sequence, [CLS] and [SEP] included.
    """

    shards: str
    max_length: int = Field(default=128, ge=8)


class EvaluationRecipe(StrictModel):
    """How held-out text is scored; its masks are the same every time.

    Attributes:
        max_tokens: how much of it, at most.
        prob: share of the tokens predicted; 0.15 keeps runs with other masking comparable.
        baseline: whether to say first how many a bigram model guesses; takes seconds.
    """

    max_tokens: int = Field(default=100_000, ge=1)
    prob: float = Field(default=0.15, gt=0, le=1)
    baseline: bool = True


class PretrainMonitor(Monitor):
    """Which number on held-out text decides about early stopping and about the best checkpoint."""

    key: Literal["eval_loss", "eval_masked_accuracy"] = "eval_loss"

    @model_validator(mode="after")
    def _mode_fits_the_key(self) -> Self:
        self.require_mode("min" if self.key == "eval_loss" else "max")
        return self


class PretrainTraining(TrainRecipe):
    """`TrainRecipe`, monitoring what pre-training evaluates."""

    monitor: PretrainMonitor | None = None


class PretrainRecipe(StrictModel):
    """Masked language modelling.

    Attributes:
        data: what to train on.
        size: fills in the sizes of a new model that `model` does not give. None in a recipe that was read: it
            has them all.
        model: sizes of a new model; None (`null`) with `init_from`.
        init_from: a model directory to go on from, with the vocabulary of the shards.
        masking: which tokens to predict.
        evaluation: how held-out text is scored.
        train: how to train.
    """

    data: DataRecipe
    size: SizeName | None = None
    model: ModelRecipe | None = None
    init_from: str | None = None
    masking: MaskingRecipe = MaskingRecipe()
    evaluation: EvaluationRecipe = EvaluationRecipe()
    train: PretrainTraining

    @model_validator(mode="before")
    @classmethod
    def _fill_in_sizes(cls, given: Any) -> Any:
        size = given.get("size") if isinstance(given, dict) else None
        if not isinstance(size, str) or size not in SIZES:
            return given
        model = given.get("model", {})
        if given.get("init_from") is not None or model is None:
            raise ValueError("size is for new models: set size=null where init_from is given")
        if not isinstance(model, dict):
            return given
        return given | {"size": None, "model": sized(model, size)}

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.model is None) == (self.init_from is None):
            raise ValueError("give either model (a new one) or init_from (and model=null)")
        return self
