"""Which optimiser, and what only it has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from erya.config import StrictModel

# Not far above, a step is no float32 number any more, and no optimiser takes it.
GREATEST_RATE = 1e30


class AdamWRecipe(StrictModel):
    """AdamW for everything.

    Attributes:
        kind: `adamw`.
        decay_embeddings: whether token, position and segment embeddings decay as other matrices do.
    """

    kind: Literal["adamw"] = "adamw"
    decay_embeddings: bool = True


class MuonRecipe(StrictModel):
    """Muon for the matrices of the blocks, AdamW for embeddings, heads and vectors.

    Attributes:
        kind: `muon`.
        learning_rate: of the matrices, the greatest; each update is then an orthogonal matrix, stretched
            where it is taller than wide (0.02 is usual). None takes `train.learning_rate` and scales updates
            to the size AdamW's have, so that a rate found for AdamW fits.
        momentum: decay of the running mean of the gradient.
        decay_embeddings: whether token, position and segment embeddings decay as other matrices do.
    """

    kind: Literal["muon"]
    learning_rate: float | None = Field(default=None, gt=0, le=GREATEST_RATE)
    momentum: float = Field(default=0.95, ge=0, lt=1)
    decay_embeddings: bool = True


class LambRecipe(StrictModel):
    """LAMB for everything: Adam with each matrix's step in proportion to the matrix. For very large batches.

    Attributes:
        kind: `lamb`.
        decay_embeddings: whether token, position and segment embeddings decay as other matrices do.
    """

    kind: Literal["lamb"]
    decay_embeddings: bool = True


OptimiserRecipe = Annotated[AdamWRecipe | MuonRecipe | LambRecipe, Field(discriminator="kind")]
