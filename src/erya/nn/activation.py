"""The names of the non-linearities. Apart from their functions, so that a configuration needs no torch."""

from typing import Literal

Activation = Literal["gelu", "gelu_new", "relu", "silu", "tanh"]
