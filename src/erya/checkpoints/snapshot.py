"""Noticing that a module was changed since something was built around its parameters."""

from __future__ import annotations

from torch import nn


class Snapshot:
    """What an encoder takes for granted of the module whose parameters it shares.

    Parameters are replaced when weights are assigned, layers when adapters are put in; whoever goes on with
    the old ones computes something else, and trains what nobody saves.

    Args:
        module: as it is now.
    """

    def __init__(self, module: nn.Module) -> None:
        modules = list(module.modules())
        tables = [table for each in modules for table in (each._modules, each._parameters)]
        self._tables = [(table, dict(table)) for table in tables if table]
        self._dropouts = [(each, each.p) for each in modules if isinstance(each, nn.Dropout)]
        self._layers = _repeatable(module)

    def holds(self) -> bool:
        """Whether parts, parameters and dropout are what they were, and no layer is to run twice."""
        # Asked at every forward: plain loops, a tenth of a millisecond for twelve layers.
        for table, known in self._tables:
            if len(table) != len(known):
                return False
            for name, part in known.items():
                if table.get(name) is not part:
                    return False
        return all(each.p == prob for each, prob in self._dropouts) and not any(
            each.gradient_checkpointing for each in self._layers
        )


def has_checkpointing(module: nn.Module) -> bool:
    """Whether some layer is to run again backwards instead of keeping what it computed."""
    return any(each.gradient_checkpointing for each in _repeatable(module))


def _repeatable(module: nn.Module) -> list[nn.Module]:
    return [each for each in module.modules() if hasattr(each, "gradient_checkpointing")]
