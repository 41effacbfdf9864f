"""Token, position, segment and task embeddings.

N tokens, E width of the embeddings, H width, V vocabulary size.
"""

from __future__ import annotations

from torch import Tensor, nn

from erya.nn.dropout import Dropout
from erya.nn.packing import PackedTensors


class Embeddings(nn.Module):
    """The sum of a token's embedding and those of its position, segment and task, normalised and projected.

    Args:
        vocab_size: V.
        size: E.
        num_positions: rows of the position embedding; 0 for none.
        first_position: the row of a sequence's first token.
        num_segments: kinds of segment; 0 for none.
        num_tasks: kinds of task; 0 for none.
        norm: of the sum.
        dropout_prob: in [0, 1).
        projection: from E to H; None where they are equal.
        norm_after_projection: whether the norm, of width H then, and dropout follow the projection.
    Source: Devlin et al. 2019, BERT, figure 2; tasks: Sun et al. 2020, ERNIE 2.0, section 4.
    """

    def __init__(
        self,
        vocab_size: int,
        size: int,
        *,
        num_positions: int,
        first_position: int,
        num_segments: int,
        num_tasks: int,
        norm: nn.Module,
        dropout_prob: float,
        projection: nn.Module | None,
        norm_after_projection: bool,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, size)
        self.positions = nn.Embedding(num_positions, size) if num_positions else None
        self.segments = nn.Embedding(num_segments, size) if num_segments else None
        self.tasks = nn.Embedding(num_tasks, size) if num_tasks else None
        self.norm, self.dropout = norm, Dropout(dropout_prob)
        self.projection = projection if projection is not None else nn.Identity()
        self.first_position, self.norm_after_projection = first_position, norm_after_projection

    def forward(self, batch: PackedTensors) -> Tensor:
        """Shape (N, H)."""
        summed = self.words(batch.ids)
        if self.segments is not None:
            # A model with one kind of segment tells texts apart by what separates them.
            only = self.segments.num_embeddings == 1
            summed = summed + (self.segments.weight[0] if only else self.segments(batch.type_ids))
        if self.positions is not None:
            summed = summed + self.positions(batch.positions + self.first_position)
        if self.tasks is not None:
            # Without a task every token is one of the first kind.
            tasks = self.tasks.weight[0] if batch.task_ids is None else self.tasks(batch.task_ids)
            summed = summed + tasks
        if self.norm_after_projection:
            embedded: Tensor = self.dropout(self.norm(self.projection(summed)))
        else:
            embedded = self.projection(self.dropout(self.norm(summed)))
        return embedded
