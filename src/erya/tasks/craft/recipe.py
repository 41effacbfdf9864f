"""What may be switched on in fine-tuning, each off unless asked for."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel
from erya.errors import ConfigError

LoraTarget = Literal["qkv", "output", "feedforward"]
# Tasks that have one row of logits and one truth a sequence.
MIXABLE = ("classify", "match")


class RDropRecipe(StrictModel):
    """Two passes with other dropout each shall say the same.

    Attributes:
        weight: of the divergence between the two, in the loss; the paper's alpha.
    """

    weight: float = Field(default=1.0, gt=0)


class AdversarialRecipe(StrictModel):
    """Words are moved to where the loss is greater, and that is learnt from too: FGM, with more steps PGD.

    Attributes:
        epsilon: how far the word embeddings of a sequence may be moved, as a Euclidean length.
        steps: how often the direction is looked for; 1 is FGM. Each costs a forward and a half backward pass.
        step_size: how far a step goes; None is 2.5 * epsilon / steps, with one step all the way.
        weight: of the moved sequences' loss.
    """

    epsilon: float = Field(default=0.2, gt=0)
    steps: int = Field(default=1, ge=1)
    step_size: float | None = Field(default=None, gt=0)
    weight: float = Field(default=1.0, gt=0)

    @property
    def stride(self) -> float:
        """How far a step goes."""
        return 2.5 * self.epsilon / self.steps if self.step_size is None else self.step_size


class MixupRecipe(StrictModel):
    """Sequences are mixed in pairs, with their truths.

    Attributes:
        alpha: shares are drawn from Beta(alpha, alpha): the smaller, the more is left of one of the two.
    """

    alpha: float = Field(default=0.2, gt=0)


class WordDropoutRecipe(StrictModel):
    """Tokens are hidden while training.

    Attributes:
        prob: of each token but [CLS], [SEP] and the like, in (0, 1).
        token: what stands in its place.
    """

    prob: float = Field(default=0.1, gt=0, lt=1)
    token: Literal["mask", "unk"] = "mask"


class FreezeRecipe(StrictModel):
    """What of the encoder is not trained. `all` is short for everything.

    Attributes:
        everything: whether the whole encoder, but for its pooler, stays as it is.
        embeddings: whether the embeddings do.
        layers: so many layers do, the lowest ones.
    """

    everything: bool = False
    embeddings: bool = False
    layers: int = Field(default=0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _all_is_everything(cls, given: Any) -> Any:
        return {"everything": True} if given == "all" else given

    @model_validator(mode="after")
    def _parts_are_of_something(self) -> Self:
        if self.everything and (self.embeddings or self.layers):
            raise ValueError("everything is frozen already: leave embeddings and layers out")
        return self


class LoraRecipe(StrictModel):
    """The encoder stays as it is; matrices of its blocks learn corrections of low rank.

    Attributes:
        rank: of each correction.
        alpha: a correction is multiplied by alpha / rank.
        dropout_prob: of what goes into a correction, in [0, 1).
        targets: which matrices: `qkv` (queries, keys and values, each for itself), `output` of attention,
            `feedforward` (both).
    """

    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    dropout_prob: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[LoraTarget, ...] = Field(default=("qkv",), min_length=1)

    @model_validator(mode="after")
    def _targets_once(self) -> Self:
        if len(set(self.targets)) != len(self.targets):
            raise ValueError("a target stands there twice")
        return self


class CraftRecipe(StrictModel):
    """What is done besides minimising the loss of the labelled texts.

    Learning rates by layer are `train.layer_decay`, a running mean of the weights `train.average`.

    Attributes:
        r_drop: two passes shall say the same.
        adversarial: words moved to where the loss is greater.
        mixup: sequences mixed in pairs; for tasks with one truth a sequence.
        label_smoothing: this share of every truth is spread evenly over all classes, in [0, 1).
        word_dropout: tokens hidden while training.
        hidden_dropout_prob: in the encoder, after embeddings and parts of blocks; None is the model's own.
        attention_dropout_prob: of attention probabilities; None is the model's own.
        dropout_samples: so many times the head sees the encoder's states, each with other dropout; the losses
            are averaged.
        freeze: what of the encoder is not trained.
        cached_states: of a frozen encoder, keep what it says of every text in a file of this number format,
            computed once and without dropout, so that an epoch trains the head alone; None computes it anew.
        lora: corrections of low rank in place of training the encoder.
    """

    r_drop: RDropRecipe | None = None
    adversarial: AdversarialRecipe | None = None
    mixup: MixupRecipe | None = None
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    word_dropout: WordDropoutRecipe | None = None
    hidden_dropout_prob: float | None = Field(default=None, ge=0, lt=1)
    attention_dropout_prob: float | None = Field(default=None, ge=0, lt=1)
    dropout_samples: int = Field(default=1, ge=1)
    freeze: FreezeRecipe = FreezeRecipe()
    cached_states: Literal["float16", "float32"] | None = None
    lora: LoraRecipe | None = None

    @model_validator(mode="after")
    def _parts_go_together(self) -> Self:
        if self.mixup is not None and (self.r_drop is not None or self.adversarial is not None):
            raise ValueError("mixup goes with neither r_drop nor adversarial, which are about single texts")
        if self.lora is not None and self.freeze != FreezeRecipe():
            raise ValueError("lora trains nothing else of the encoder already: leave freeze out")
        if self.cached_states is not None:
            self._require_cacheable()
        return self

    def _require_cacheable(self) -> None:
        if not self.freeze.everything:
            raise ValueError("cached_states is for an encoder that does not change: set craft.freeze=all")
        idle = ("adversarial", "word_dropout", "hidden_dropout_prob", "attention_dropout_prob")
        given = [name for name in idle if getattr(self, name) is not None]
        if given:
            raise ValueError(
                f"cached_states runs the encoder once, in the beginning: {given[0]} would be idle"
            )

    def require_fits(self, kind: str) -> None:
        """Check that the task called `kind` can be trained so.

        Raises:
            ConfigError: it cannot; says what to leave out.
        """
        if self.mixup is not None and kind not in MIXABLE:
            raise ConfigError(
                f"mixup wants one truth a sequence, which {kind} has not",
                hint=f"leave craft.mixup out; it is for {' and '.join(MIXABLE)}",
            )
        of_sequences = ("r_drop", "adversarial", "label_smoothing", "cached_states")
        given = [name for name in of_sequences if getattr(self, name)]
        given += ["dropout_samples"] * (self.dropout_samples > 1)
        if kind == "embed" and given:
            # Its batches are embedded in chunks, each computed a second time in the backward pass.
            raise ConfigError(
                f"{given[0]} wants a truth for each text, and embed learns from texts beside others",
                hint=f"leave craft.{given[0]} out",
            )
