"""A batch that grows: small batches learn more from a token at first, large ones later."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ramp:
    """How the budget of a global batch grows to its full size: along a line, in tokens.

    Attributes:
        from_tokens: the budget of the first batch.
        over_tokens: tokens of training after which the budget is full.
    Source: Brown et al. 2020, Language Models are Few-Shot Learners, appendix B.
    """

    from_tokens: int
    over_tokens: int

    def budget(self, tokens_before: int, *, full: int) -> int:
        """Most tokens of the batch before which there were `tokens_before`, rounded down.

        Whole numbers only, so that no machine rounds differently.
        """
        behind = min(tokens_before, self.over_tokens)
        return self.from_tokens + (full - self.from_tokens) * behind // self.over_tokens
