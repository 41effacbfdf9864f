"""How many tokens to predict: a fixed share, or one that moves with the tokens seen."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that goes in a straight line from one value to another.

    Attributes:
        start: the share at the first token of the run, in (0, 1].
        end: the share from `tokens` on, in (0, 1].
        tokens: how long it takes, in tokens of the run; 0: `end` from the first.
    """

    start: float
    end: float
    tokens: int

    def at(self, tokens_before: int) -> float:
        """The share for a batch that comes after so many tokens."""
        if tokens_before >= self.tokens:
            return self.end
        return self.start + (self.end - self.start) * tokens_before / self.tokens
