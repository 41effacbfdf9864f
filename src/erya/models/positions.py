"""How an encoder knows where a token stands: the choices, as configurations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from erya.config import StrictModel


class Absolute(StrictModel):
    """A learned embedding of each position, added to the token's.

    Attributes:
        first: position of a sequence's first token. RoBERTa keeps the places up to its padding id for padding
            and begins behind it; a padded façade counts only tokens that are not padding then.
    Source: Devlin et al. 2019, BERT.
    """

    kind: Literal["absolute"] = "absolute"
    first: int = Field(0, ge=0)


class Rotary(StrictModel):
    """Queries and keys turned by angles that grow with the position.

    Attributes:
        base: of the angles' geometric series; a larger one turns more slowly.
        local_base: the base in blocks with a window; None: the same.
        interleaved: whether the two numbers turned together stand side by side, instead of half a head apart.
        values: whether values are turned too.
    Source: Su et al. 2021, RoFormer: Enhanced Transformer with Rotary Position Embedding.
    """

    kind: Literal["rotary"] = "rotary"
    base: float = Field(10_000.0, gt=1.0)
    local_base: float | None = Field(None, gt=1.0)
    interleaved: bool = False
    values: bool = False


class Relative(StrictModel):
    """Fixed sinusoids of the distance, met by queries and added to values.

    Attributes:
        max_distance: distances beyond count as this one.
    Source: Wei et al. 2019, NEZHA: Neural Contextualized Representation for Chinese Language Understanding.
    """

    kind: Literal["relative"] = "relative"
    max_distance: int = Field(64, ge=1)


class Disentangled(StrictModel):
    """Learned embeddings of distances that meet the queries, the keys, or both.

    Attributes:
        max_distance: distances beyond count as this one.
        num_buckets: far distances share one of so many embeddings a direction; None: each has its own.
        terms: which scores are added: `c2p` queries with distances, `p2c` keys with distances.
        shared_projections: whether a block projects distances by the same layers as tokens.
        norm: whether the embeddings of distances are normalised.
        absolute: whether learned embeddings of absolute positions are added to the tokens' as well.
    Source: He et al. 2021, DeBERTa: Decoding-enhanced BERT with Disentangled Attention.
    """

    kind: Literal["disentangled"] = "disentangled"
    max_distance: int = Field(512, ge=2)
    num_buckets: int | None = Field(256, ge=2)
    terms: tuple[Literal["c2p", "p2c"], ...] = ("c2p", "p2c")
    shared_projections: bool = True
    norm: bool = True
    absolute: bool = False

    @property
    def span(self) -> int:
        """Embeddings a direction."""
        return self.max_distance if self.num_buckets is None else self.num_buckets


Positions = Annotated[Absolute | Rotary | Relative | Disentangled, Field(discriminator="kind")]
