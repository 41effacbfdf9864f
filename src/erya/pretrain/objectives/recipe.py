"""What a recipe says about objectives."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from erya.config import StrictModel


class GeneratorRecipe(StrictModel):
    """The model that fills in masked tokens for a discriminator.

    Attributes:
        width: its share of the discriminator's width, in (0, 1].
        depth: its share of the discriminator's layers, in (0, 1].
        temperature: its logits are divided by it before a token is drawn.
        weight: of the discriminator's loss beside the generator's.
    """

    width: float = Field(default=0.25, gt=0, le=1)
    depth: float = Field(default=1.0, gt=0, le=1)
    temperature: float = Field(default=1.0, gt=0)
    weight: float = Field(default=50.0, gt=0)


class LogitsRecipe(StrictModel):
    """Learning a teacher's guesses.

    Attributes:
        weight: of the loss.
        temperature: logits of both are divided by it.
        top_k: how many of the teacher's best guesses count; null: all.
    """

    weight: float = Field(default=1.0, gt=0)
    temperature: float = Field(default=1.0, gt=0)
    top_k: int | None = Field(default=None, ge=2)


class RelationsRecipe(StrictModel):
    """Learning how a teacher relates tokens.

    Attributes:
        weight: of the loss.
        num_heads: relation heads, a divisor of the teacher's width and of the model's.
        teacher_layer: the teacher's layer, from 0; null: the last one.
        student_layer: the model's; null: the last one.
    """

    weight: float = Field(default=1.0, gt=0)
    num_heads: int = Field(default=12, ge=1)
    teacher_layer: int | None = Field(default=None, ge=0)
    student_layer: int | None = Field(default=None, ge=0)


class TeacherRecipe(StrictModel):
    """A teacher, and what is learnt from it.

    Attributes:
        model: its directory: a masked language model with the shards' vocabulary.
        masked_weight: of the loss of masked tokens themselves.
        logits: learn its guesses; null: do not.
        relations: learn its relations; null: do not.
    """

    model: str
    masked_weight: float = Field(default=1.0, ge=0)
    logits: LogitsRecipe | None = LogitsRecipe()
    relations: RelationsRecipe | None = None

    @model_validator(mode="after")
    def _teaches_something(self) -> Self:
        if self.logits is None and self.relations is None:
            raise ValueError("a teacher teaches logits or relations or both")
        return self


class ObjectiveRecipe(StrictModel):
    """What the model learns.

    Attributes:
        kind: guess masked tokens, or find those a generator replaced.
        pairs: whether the second of two texts follows the first (`next`), or in which order they stand
            (`order`), or no pairs (`none`).
        pair_weight: of the loss of pairs.
        generator: for `replaced`; else null.
        teacher: what else is learnt from another model; null: nothing.
        refit_head_steps: where `init_from` has no masked-language head, so many steps train a new one first,
            the encoder as it is; 0: it starts at random together with the rest.
    """

    kind: Literal["masked", "replaced"] = "masked"
    pairs: Literal["none", "next", "order"] = "none"
    pair_weight: float = Field(default=1.0, gt=0)
    generator: GeneratorRecipe | None = None
    teacher: TeacherRecipe | None = None
    refit_head_steps: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        if self.pairs == "none" and self.pair_weight != 1.0:
            raise ValueError("pair_weight is for pairs: leave it at 1.0, or set objective.pairs")
        if self.kind == "masked":
            if self.generator is not None:
                raise ValueError("a generator belongs to kind replaced: set objective.generator=null")
            return self
        for name, given in (
            ("pairs", self.pairs != "none"),
            ("teacher", self.teacher is not None),
            ("refit_head_steps", self.refit_head_steps > 0),
        ):
            if given:
                raise ValueError(f"{name} goes with kind masked only: leave objective.{name} at its default")
        if self.generator is None:
            raise ValueError("kind replaced needs a generator; {} takes its defaults")
        return self
