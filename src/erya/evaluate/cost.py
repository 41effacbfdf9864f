"""What an evaluation cost: time, memory, tokens a second, and on what machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from erya.corpus.summaries import peak_memory
from erya.tasks.predictor import Predictor


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took.

    Attributes:
        seconds: of encoding, computing and decoding; reading the file and scoring not counted.
        examples_per_s: examples a second.
        tokens_per_s: tokens a second.
        peak_memory_mib: the most memory the process has held since it started.
        peak_device_memory_mib: the most memory tensors held on an accelerator; None without one.
        parameters: numbers the network has.
        device: what it ran on.
        threads: that PyTorch computed with.
    """

    seconds: float
    examples_per_s: float
    tokens_per_s: float
    peak_memory_mib: float
    peak_device_memory_mib: float | None
    parameters: int
    device: str
    threads: int

    def to_dict(self) -> dict[str, Any]:
        """The cost as plain JSON values."""
        return asdict(self)


def cost_of(predictor: Predictor, *, seconds: float, examples: int, tokens: int) -> Cost:
    """The cost so far.

    Args:
        predictor: what computed.
        seconds: it took.
        examples: it answered.
        tokens: it read.
    """
    tensors = list(predictor.learner.network.parameters())
    device = tensors[0].device
    on_cuda = device.type == "cuda"
    return Cost(
        seconds=seconds,
        examples_per_s=examples / max(seconds, 1e-9),
        tokens_per_s=tokens / max(seconds, 1e-9),
        peak_memory_mib=peak_memory() / 2**20,
        peak_device_memory_mib=torch.cuda.max_memory_allocated(device) / 2**20 if on_cuda else None,
        parameters=sum(tensor.numel() for tensor in tensors),
        device=torch.cuda.get_device_name(device) if on_cuda else str(device),
        threads=torch.get_num_threads(),
    )
