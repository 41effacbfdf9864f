"""The optimisers of a run, as one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer

from erya.errors import TrainingError
from erya.runtime import is_out_of_memory, shortage


class Optimisers:
    """Several optimisers over different parameters, stepped together.

    Args:
        members: at least one; each parameter group's learning rate is its greatest.
    Attributes:
        members: the same.
    """

    def __init__(self, members: Sequence[Optimizer]) -> None:
        self.members = tuple(members)
        # Not kept in the groups, which a checkpoint overwrites: a run may be resumed with another rate.
        self._greatest_rates = [float(group["lr"]) for group in self.param_groups]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of all members."""
        return [group for member in self.members for group in member.param_groups]

    def set_rate(self, factor: float) -> None:
        """Use `factor`, in [0, 1], of each group's greatest learning rate from the next step on."""
        for group, greatest in zip(self.param_groups, self._greatest_rates, strict=True):
            group["lr"] = greatest * factor

    def step(self) -> None:
        """Change the parameters by their gradients.

        Raises:
            TrainingError: the running means do not fit into memory.
        """
        try:
            for member in self.members:
                member.step()
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            # Some parameters may be changed and others not, so the step cannot be taken again.
            raise TrainingError(
                f"the optimiser's running means do not fit into memory: {shortage(error)}",
                hint="use a smaller model or a larger device, or spread the model with train.parallel",
            ) from None

    def zero_grad(self, *, set_to_none: bool = True) -> None:
        """Forget the gradients."""
        for member in self.members:
            member.zero_grad(set_to_none=set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """The state of every member, in order."""
        return {str(place): member.state_dict() for place, member in enumerate(self.members)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict` gave.

        Raises:
            ValueError: it is of other optimisers.
        """
        if state.keys() != {str(place) for place in range(len(self.members))}:
            raise ValueError(f"{len(state)} optimisers were saved, there are {len(self.members)}")
        for place, member in enumerate(self.members):
            member.load_state_dict(state[str(place)])
