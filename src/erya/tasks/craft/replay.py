"""What an encoder said, said again without computing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from torch import Tensor, nn

from erya.models.encoder import Encoder
from erya.models.outputs import EncoderOutput
from erya.nn.packing import PackedTensors


class Forward(Protocol):
    """As `Encoder.forward`."""

    def __call__(
        self,
        batch: PackedTensors,
        *,
        rows: Tensor | None = None,
        keep_all_hidden: bool = False,
        keep_attentions: bool = False,
    ) -> EncoderOutput:
        """What the encoder says of a batch."""
        ...


def encoder_of(network: nn.Module) -> Encoder:
    """The encoder of a learner's network."""
    encoder = network.get_submodule("encoder")
    assert isinstance(encoder, Encoder), "a network has its encoder as `encoder`"
    return encoder


@contextmanager
def recorded(encoder: Encoder) -> Iterator[list[EncoderOutput]]:
    """A list that gets what each call of the encoder meanwhile gives."""
    outputs: list[EncoderOutput] = []

    def note(module: nn.Module, inputs: Any, output: EncoderOutput) -> None:
        outputs.append(output)

    handle = encoder.register_forward_hook(note)
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def replaced(encoder: Encoder, forward: Forward) -> Iterator[None]:
    """Calls of the encoder meanwhile give what `forward` does."""
    encoder.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        del encoder.forward  # the method of the class comes forth again


@contextmanager
def replayed(encoder: Encoder, outputs: Sequence[EncoderOutput]) -> Iterator[None]:
    """Calls of the encoder meanwhile give what it gave before, in the same order."""
    following = iter(outputs)
    with replaced(encoder, lambda batch, **wanted: next(following)):
        yield
