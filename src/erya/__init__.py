"""Erya: raw Chinese text to a served Chinese encoder.

Importing this package reads no file, starts no thread and imports no torch: the names below are
resolved on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from erya.api import accelerate, load, open_encoder, open_tokenizer, restore

__version__ = "0.1.0"
__all__ = ["__version__", "accelerate", "load", "open_encoder", "open_tokenizer", "restore"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("erya.api"), name)
    raise AttributeError(f"module 'erya' has no attribute {name!r}")
