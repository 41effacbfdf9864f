"""Several linear layers computed as one."""

from __future__ import annotations

from torch import nn


class StackedLinear(nn.Linear):
    """A linear layer whose outputs are those of `num_stacked` layers side by side.

    It computes what `nn.Linear` does; whoever treats a matrix as a whole, as Muon does, sees how many it is.

    Args:
        in_features: width of the input.
        out_features: width of all outputs together.
        num_stacked: how many layers; a divisor of `out_features`.
        bias: whether they have one.
    """

    def __init__(self, in_features: int, out_features: int, *, num_stacked: int, bias: bool = True) -> None:
        assert out_features % num_stacked == 0, "the layers are of one width"
        super().__init__(in_features, out_features, bias=bias)
        self.num_stacked = num_stacked
