"""Self-attention on packed sequences, and the table of kernels that can compute it.

N tokens, H width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from erya.nn import attention_general, attention_matmul, attention_varlen, attention_window
from erya.nn.layout import Layout
from erya.nn.relative import DisentangledDistances, RelativeScores, SinusoidDistances
from erya.nn.rotary import RotaryTurn
from erya.nn.stacked import StackedLinear

BackendName = Literal["auto", "varlen", "matmul", "window", "general"]
# Beyond so many windows a sequence is better cut into chunks than squared and masked; see benchmarks/log.md.
_WINDOWS_TO_CUT = 5
_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of a kernel.

    Attributes:
        num_heads: a divisor of H.
        dropout_prob: of the attention probabilities, in [0, 1).
        relative: what distances add to the scores; None for nothing.
        window: tokens a token sees to either side; None for all.
    """

    num_heads: int
    dropout_prob: float = 0.0
    relative: RelativeScores | None = None
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """A kernel and what it can do; prefixes, which stand in the layout, all can.

    Attributes:
        attend: (qkv, layout, demand) -> (N, H).
        dropout: whether it can drop attention probabilities.
        relative: whether it takes relative positions.
        window: whether it is for attention with a window, without, or None for both.
        gaps: whether the positions of a sequence may have gaps where there is a window.
        devices: device types it runs on; None for all.
        dtypes: number formats it takes; None for all.
    """

    attend: Callable[[Tensor, Layout, Demand], Tensor]
    dropout: bool = True
    relative: bool = False
    window: bool | None = False
    gaps: bool = True
    devices: tuple[str, ...] | None = None
    dtypes: tuple[torch.dtype, ...] | None = None

    def refusal(self, qkv: Tensor, layout: Layout, demand: Demand) -> str | None:
        """Why this kernel cannot do what is asked, or None if it can."""
        if self.devices is not None and qkv.device.type not in self.devices:
            return f"it runs on {' and '.join(self.devices)}, not on {qkv.device.type}"
        if self.dtypes is not None and qkv.dtype not in self.dtypes:
            return f"it does not take {qkv.dtype}"
        if demand.dropout_prob > 0.0 and not self.dropout:
            return "it has no dropout of attention probabilities: set attention_dropout_prob to 0"
        if demand.relative is not None and not self.relative:
            return "it has no relative positions"
        if self.window is not None and self.window != (demand.window is not None):
            return "it is for attention with a window" if self.window else "it has no window"
        if demand.window is not None and layout.has_gaps and not self.gaps:
            return "it takes no positions with gaps"
        return None


def _varlen(qkv: Tensor, layout: Layout, demand: Demand) -> Tensor:
    return attention_varlen.attend(
        qkv, layout, num_heads=demand.num_heads, dropout_prob=demand.dropout_prob, window=demand.window
    )


def _matmul(qkv: Tensor, layout: Layout, demand: Demand) -> Tensor:
    return attention_matmul.attend(
        qkv, layout, num_heads=demand.num_heads, dropout_prob=demand.dropout_prob, window=demand.window
    )


def _window(qkv: Tensor, layout: Layout, demand: Demand) -> Tensor:
    assert demand.window is not None, "this kernel is for windows"
    return attention_window.attend(
        qkv, layout, num_heads=demand.num_heads, dropout_prob=demand.dropout_prob, window=demand.window
    )


def _general(qkv: Tensor, layout: Layout, demand: Demand) -> Tensor:
    return _asked_of_general(qkv, layout, demand, keep_probs=False)[0]


# In order of preference; why in this order stands in benchmarks/log.md.
BACKENDS: dict[str, Backend] = {
    "varlen": Backend(_varlen, dropout=False, window=None, gaps=False, devices=("cuda",), dtypes=_HALF),
    "window": Backend(_window, window=True, gaps=False),
    "matmul": Backend(_matmul, window=None),
    "general": Backend(_general, relative=True, window=None),
}


def attend(qkv: Tensor, layout: Layout, demand: Demand, *, backend: BackendName = "auto") -> Tensor:
    """Attend within each sequence by the best kernel that can, or by the one called `backend`.

    Args:
        qkv: queries, keys and values side by side, shape (N, 3 * H).
        layout: where the sequences are.
        demand: what is to be computed.
        backend: `auto` or a key of `BACKENDS`.
    Returns:
        Shape (N, H).
    Raises:
        ValueError: the named kernel cannot do what is asked; the message says why.
    """
    demand = _without_idle_window(demand, layout)
    if backend == "auto":
        cut = demand.window is not None and layout.max_length > _WINDOWS_TO_CUT * demand.window
        names = (name for name in BACKENDS if cut or name != "window")
        chosen = next(BACKENDS[n] for n in names if BACKENDS[n].refusal(qkv, layout, demand) is None)
    else:
        chosen = BACKENDS[backend]
        refusal = chosen.refusal(qkv, layout, demand)
        if refusal is not None:
            raise ValueError(f"attention backend {backend!r} cannot be used: {refusal}")
    return chosen.attend(qkv, layout, demand)


def _without_idle_window(demand: Demand, layout: Layout) -> Demand:
    """A window that reaches over every sequence is none: quicker kernels can take it."""
    if demand.window is None or layout.has_gaps or demand.window < layout.max_length - 1:
        return demand
    return Demand(demand.num_heads, demand.dropout_prob, demand.relative)


def _asked_of_general(
    qkv: Tensor, layout: Layout, demand: Demand, *, keep_probs: bool
) -> tuple[Tensor, list[Tensor]]:
    return attention_general.attend(
        qkv,
        layout,
        num_heads=demand.num_heads,
        dropout_prob=demand.dropout_prob,
        relative=demand.relative,
        window=demand.window,
        keep_probs=keep_probs,
    )


class SelfAttention(nn.Module):
    """Multi-head self-attention: one product for queries, keys and values, one for the output.

    Args:
        size: H.
        num_heads: a divisor of H.
        dropout_prob: of the attention probabilities, in [0, 1).
        bias: whether the two products have one.
        turn: rotary positions; None for none.
        relative: relative positions; None for none.
        window: tokens a token sees to either side; None for all.
        backend: which kernel; `auto` picks the best that can.
    """

    def __init__(
        self,
        size: int,
        num_heads: int,
        *,
        dropout_prob: float = 0.0,
        bias: bool = True,
        turn: RotaryTurn | None = None,
        relative: SinusoidDistances | DisentangledDistances | None = None,
        window: int | None = None,
        backend: BackendName = "auto",
    ) -> None:
        super().__init__()
        if size % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {size}")
        self.num_heads, self.dropout_prob = num_heads, dropout_prob
        self.window, self.backend = window, backend
        self.qkv = StackedLinear(size, 3 * size, num_stacked=3, bias=bias)
        self.output = nn.Linear(size, size, bias=bias)
        self.turn, self.relative = turn, relative

    def forward(
        self,
        hidden: Tensor,
        layout: Layout,
        *,
        rows: Tensor | None = None,
        probs: list[list[Tensor]] | None = None,
    ) -> Tensor:
        """Shape (N, H) in and out; with `rows`, int64, shape (R,), only those rows come out, (R, H).

        To `probs`, if given, the probabilities are added: of each group of the layout (G, heads, L, L).
        """
        qkv = self.qkv(hidden)
        if self.turn is not None:
            qkv = self.turn(qkv, layout.positions, num_heads=self.num_heads)
        relative = None if self.relative is None else self.relative(layout.distances, self.qkv)
        dropout_prob = self.dropout_prob if self.training else 0.0
        demand = Demand(self.num_heads, dropout_prob, relative, self.window)
        if probs is None:
            attended = attend(qkv, layout, demand, backend=self.backend)
        else:
            attended, of_groups = _asked_of_general(qkv, layout, demand, keep_probs=True)
            probs.append(of_groups)
        if rows is not None:
            attended = attended.index_select(0, rows)
        projected: Tensor = self.output(attended)
        return projected
