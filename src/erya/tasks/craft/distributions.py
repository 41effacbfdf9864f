"""Losses of whole distributions, not of single classes.

R rows, K classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Below this a logarithm stands for a class that cannot be: padding, or a place that may not be chosen.
_IMPOSSIBLE = -1e4


def divergence(one: Tensor, other: Tensor) -> Tensor:
    """How far two sets of distributions are apart: the mean of both Kullback-Leibler divergences and of rows.

    Args:
        one, other: logarithms of probabilities, shape (R, K), impossible classes the same in both.
    Returns:
        A float32 scalar; 0 without rows.
    Source: Wu et al. 2021, R-Drop: Regularized Dropout for Neural Networks, equation 2.
    """
    one, other = one.float(), other.float()
    possible = (one > _IMPOSSIBLE) & (other > _IMPOSSIBLE)
    # In place of p log(p/q) + q log(q/p).
    apart = (one.exp() - other.exp()) * _zeroed(one - other, possible)
    return 0.5 * apart.sum() / max(len(one), 1)


def unevenness(log_probs: Tensor) -> Tensor:
    """Cross-entropy of distributions with the truth that all possible classes are alike; mean of rows.

    Args:
        log_probs: shape (R, K).
    Returns:
        A float32 scalar; 0 without rows.
    Source: Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision, section 7.
    """
    log_probs = log_probs.float()
    possible = log_probs > _IMPOSSIBLE
    rows = -_zeroed(log_probs, possible).sum(dim=1) / possible.sum(dim=1).clamp(min=1)
    return rows.sum() / max(len(log_probs), 1)


def _zeroed(values: Tensor, keep: Tensor) -> Tensor:
    return torch.where(keep, values, torch.zeros_like(values))
