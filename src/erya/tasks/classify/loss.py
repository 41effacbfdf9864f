"""The loss of classification, with two answers to classes of very unequal size.

S sequences, C classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from erya.nn.losses import LossTerm

LOSS_NAME = "classify"


def classification_loss(
    logits: Tensor, labels: Tensor, *, class_weights: Tensor | None = None, focal_gamma: float = 0.0
) -> LossTerm:
    """Cross-entropy summed over sequences, in float32.

    Args:
        logits: shape (S, C).
        labels: classes, int64, shape (S,).
        class_weights: factor of each class's loss, shape (C,); None is 1 for all.
        focal_gamma: at least 0; above 0 the loss of a sequence is scaled by (1 - p)^gamma, where p is the
            probability given to its label, so that easy sequences count less.
    Source: Lin et al. 2017, Focal Loss for Dense Object Detection, section 3 (for `focal_gamma`).
    """
    log_probs = functional.log_softmax(logits.float(), dim=-1).gather(1, labels[:, None]).squeeze(1)
    losses = -log_probs
    if focal_gamma > 0.0:
        # Away from zero: there the gradient of a power below 1 is infinite.
        doubt = (-log_probs.expm1()).clamp(min=1e-12)
        losses = losses * doubt.pow(focal_gamma)
    if class_weights is not None:
        losses = losses * class_weights[labels]
    return LossTerm(LOSS_NAME, losses.sum(), len(labels))


def balanced_weights(labels: Sequence[str], truths: Sequence[str]) -> Tensor:
    """Weights that give every class the same share of the loss, 1 on average over the texts.

    Args:
        labels: the C classes.
        truths: the label of each training text; a class may be absent, as where a part is held out.
    Returns:
        number of texts / (classes that occur * texts of the class), 1 for an absent one; float32, shape (C,).
    Source: King and Zeng 2001, Logistic Regression in Rare Events Data; scikit-learn's `balanced`.
    """
    counts = Counter(truths)
    return torch.tensor(
        [len(truths) / (len(counts) * counts[label]) if counts[label] else 1.0 for label in labels]
    )
