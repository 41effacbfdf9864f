"""Self-attention on packed sequences, and the table of kernels that can compute it.

N tokens, H width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from erya.nn import attention_matmul, attention_varlen
from erya.nn.layout import Layout

BackendName = Literal["auto", "matmul", "varlen"]
_HALF = (torch.bfloat16, torch.float16)


@dataclass(frozen=True, slots=True)
class Backend:
    """A kernel and what it can do.

    Attributes:
        attend: (qkv, layout, num_heads, dropout_prob) -> (N, H).
        dropout: whether it can drop attention probabilities.
        devices: device types it runs on.
        dtypes: number formats it takes; None for all.
    """

    attend: Callable[..., Tensor]
    dropout: bool
    devices: tuple[str, ...]
    dtypes: tuple[torch.dtype, ...] | None

    def refusal(self, qkv: Tensor, dropout_prob: float) -> str | None:
        """Why this kernel cannot take `qkv`, or None if it can."""
        if qkv.device.type not in self.devices:
            return f"it runs on {' and '.join(self.devices)}, not on {qkv.device.type}"
        if self.dtypes is not None and qkv.dtype not in self.dtypes:
            return f"it does not take {qkv.dtype}"
        if dropout_prob > 0.0 and not self.dropout:
            return "it has no dropout of attention probabilities: set attention_dropout_prob to 0"
        return None


# In order of preference; why in this order stands in benchmarks/log.md.
BACKENDS: dict[str, Backend] = {
    "varlen": Backend(attention_varlen.attend, dropout=False, devices=("cuda",), dtypes=_HALF),
    "matmul": Backend(attention_matmul.attend, dropout=True, devices=("cpu", "cuda"), dtypes=None),
}


def attend(
    qkv: Tensor, layout: Layout, *, num_heads: int, dropout_prob: float = 0.0, backend: BackendName = "auto"
) -> Tensor:
    """Attend within each sequence by the best kernel that can, or by the one called `backend`.

    Args:
        qkv: queries, keys and values side by side, shape (N, 3 * H).
        layout: where the sequences are.
        num_heads: a divisor of H.
        dropout_prob: of the attention probabilities, in [0, 1).
        backend: `auto` or a key of `BACKENDS`.
    Returns:
        Shape (N, H).
    Raises:
        ValueError: the named kernel cannot do what is asked; the message says why.
    """
    if backend == "auto":
        chosen = next(b for b in BACKENDS.values() if b.refusal(qkv, dropout_prob) is None)
    else:
        chosen = BACKENDS[backend]
        refusal = chosen.refusal(qkv, dropout_prob)
        if refusal is not None:
            raise ValueError(f"attention backend {backend!r} cannot be used: {refusal}")
    return chosen.attend(qkv, layout, num_heads=num_heads, dropout_prob=dropout_prob)


class SelfAttention(nn.Module):
    """Multi-head self-attention: one product for queries, keys and values, one for the output.

    Args:
        size: H.
        num_heads: a divisor of H.
        dropout_prob: of the attention probabilities, in [0, 1).
        backend: which kernel; `auto` picks the best that can.
    """

    def __init__(
        self, size: int, num_heads: int, *, dropout_prob: float = 0.0, backend: BackendName = "auto"
    ) -> None:
        super().__init__()
        if size % num_heads:
            raise ValueError(f"{num_heads} heads do not divide a width of {size}")
        self.num_heads, self.dropout_prob, self.backend = num_heads, dropout_prob, backend
        self.qkv = nn.Linear(size, 3 * size)
        self.output = nn.Linear(size, size)

    def forward(self, hidden: Tensor, layout: Layout, *, rows: Tensor | None = None) -> Tensor:
        """Shape (N, H) in and out; with `rows`, int64, shape (R,), only those rows come out, (R, H)."""
        dropout_prob = self.dropout_prob if self.training else 0.0
        attended = attend(
            self.qkv(hidden),
            layout,
            num_heads=self.num_heads,
            dropout_prob=dropout_prob,
            backend=self.backend,
        )
        if rows is not None:
            attended = attended.index_select(0, rows)
        projected: Tensor = self.output(attended)
        return projected
