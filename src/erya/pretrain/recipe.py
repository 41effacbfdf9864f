"""A pre-training run, written down whole."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.models.config import EncoderConfig
from erya.pretrain.masking.recipe import MaskingRecipe, PatternsRecipe, UnitName
from erya.pretrain.objectives.recipe import ObjectiveRecipe
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
        parallel: share of the shards' parallel pairs laid out as two texts with [SEP] between, masked on both
            sides, so that each is read with the help of the other; null: all of them, if there are any and
            `objective.pairs` is none.
    """

    shards: str
    max_length: int = Field(default=128, ge=8)
    parallel: float | None = Field(default=None, ge=0, le=1)


class EvaluationRecipe(StrictModel):
    """How held-out text is scored; its masks are the same every time.

    Attributes:
        max_tokens: how much of it, at most.
        prob: share of the tokens predicted; 0.15 keeps runs with other masking comparable.
        units: the kinds of masking it is scored with: `word`, `token`, `ngram`, `span`. `eval_loss` speaks of
            the first; the numbers of the others are called `eval_loss_token` and so on.
        baseline: whether to say first how many a bigram model guesses; takes seconds.
    """

    max_tokens: int = Field(default=100_000, ge=1)
    prob: float = Field(default=0.15, gt=0, le=1)
    units: tuple[UnitName, ...] = Field(default=("word", "token"), min_length=1)
    baseline: bool = True

    @model_validator(mode="after")
    def _units_differ(self) -> Self:
        if len(set(self.units)) < len(self.units):
            raise ValueError("units: the same kind of masking stands there twice")
        return self


class PretrainMonitor(Monitor):
    """Which number on held-out text decides about early stopping and about the best checkpoint."""

    key: Literal["eval_loss", "eval_masked_accuracy", "eval_replaced_loss", "eval_replaced_accuracy"] = (
        "eval_loss"
    )

    @model_validator(mode="after")
    def _mode_fits_the_key(self) -> Self:
        self.require_mode("min" if self.key.endswith("loss") else "max")
        return self


class PretrainTraining(TrainRecipe):
    """`TrainRecipe`, monitoring what pre-training evaluates.

    Attributes:
        monitor: early stopping and the best checkpoint; None keeps the last state.
        checkpoint_activations: whether blocks are computed again in the backward pass: about a third more
            time, a fraction of the memory, the same losses.
        compile: whether blocks are compiled by `torch.compile`; pays on a GPU.
    """

    monitor: PretrainMonitor | None = None
    checkpoint_activations: bool = False
    compile: bool = False

    @model_validator(mode="after")
    def _compiled_blocks_stay_whole(self) -> Self:
        # What is cut up is a copy, and compiled blocks would go on computing with the original.
        if self.compile and self.parallel.kind != "ddp":
            raise ValueError("compile goes with parallel.kind=ddp only")
        return self


class PretrainRecipe(StrictModel):
    """Masked language modelling.

    Attributes:
        data: what to train on.
        size: fills in the sizes of a new model that `model` does not give. None in a recipe that was read: it
            has them all.
        model: sizes of a new model; None (`null`) with `init_from`.
        init_from: a model directory to go on from, with the vocabulary of the shards.
        objective: what the model learns.
        masking: which tokens to predict.
        patterns: which tokens see which.
        evaluation: how held-out text is scored.
        train: how to train.
    """

    data: DataRecipe
    size: SizeName | None = None
    model: ModelRecipe | None = None
    init_from: str | None = None
    objective: ObjectiveRecipe = ObjectiveRecipe()
    masking: MaskingRecipe = MaskingRecipe()
    patterns: PatternsRecipe = PatternsRecipe()
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

    @model_validator(mode="after")
    def _texts_fit_the_objective(self) -> Self:
        if self.data.parallel and self.objective.pairs != "none":
            raise ValueError(
                "parallel pairs have no order to tell: set data.parallel=0 or objective.pairs=none"
            )
        if self.objective.pairs != "none" and not self.patterns.both:
            raise ValueError("objective.pairs needs first tokens that see all: give patterns.both a share")
        return self

    @model_validator(mode="after")
    def _lengths_of_units_are_used(self) -> Self:
        self.masking.require_used({self.masking.unit, *self.evaluation.units})
        return self

    @model_validator(mode="after")
    def _objective_fits_the_rest(self) -> Self:
        key = None if self.train.monitor is None else self.train.monitor.key
        if key is not None and "_replaced_" in key and self.objective.kind != "replaced":
            raise ValueError(f"train.monitor.key={key} is known with objective.kind=replaced only")
        if self.objective.refit_head_steps and self.init_from is None:
            raise ValueError("objective.refit_head_steps is for init_from: a new model has no old encoder")
        return self
