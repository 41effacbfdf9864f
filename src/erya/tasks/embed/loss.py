"""Losses of sentence vectors, each over a whole batch.

Q texts that ask, C candidates, P pairs, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def contrastive_loss(
    queries: Tensor,
    candidates: Tensor,
    *,
    right: Tensor,
    temperature: float,
    excluded: Tensor | None = None,
) -> Tensor:
    """How far each text's right candidate is from being the closest, summed over the texts.

    Args:
        queries: shape (Q, D).
        candidates: shape (C, D).
        right: which candidate is each text's own, int64, shape (Q,).
        temperature: cosines are divided by this.
        excluded: candidates that a text is not compared with, bool, shape (Q, C); never the right one.
    Returns:
        A float32 scalar.
    Source: van den Oord et al. 2018, Representation Learning with Contrastive Predictive Coding, section 2.3;
        of sentences: Gao et al. 2021, SimCSE, sections 3 and 4.
    """
    cosines = functional.normalize(queries.float(), dim=-1) @ functional.normalize(
        candidates.float(), dim=-1
    ).transpose(0, 1)
    logits = cosines / temperature
    if excluded is not None:
        logits = logits.masked_fill(excluded, -torch.inf)
    return functional.cross_entropy(logits, right, reduction="sum")


def cosent_loss(first: Tensor, second: Tensor, scores: Tensor, *, temperature: float) -> Tensor:
    """How far pairs with a higher score are from lying closer than those with a lower one.

    Args:
        first, second: the texts of the pairs, shape (P, D).
        scores: how alike they are, shape (P,).
        temperature: cosines are divided by this.
    Returns:
        A float32 scalar, of the batch as a whole; 0 where all scores are the same.
    Source: Su 2022, CoSENT: a more effective sentence vector scheme than Sentence-BERT.
    """
    cosines = functional.cosine_similarity(first.float(), second.float(), dim=-1) / temperature
    # How much closer each pair is than one that should be closer.
    differences = cosines[:, None] - cosines[None, :]
    is_wrong_way = scores[:, None] < scores[None, :]
    differences = differences.masked_fill(~is_wrong_way, -torch.inf)
    return torch.logsumexp(functional.pad(differences.flatten(), (1, 0)), dim=0)


def same_text(keys: Tensor, candidates: Tensor, right: Tensor) -> Tensor:
    """Candidates that say what a text or its right candidate says: no negatives. Bool, shape (Q, C).

    Args:
        keys: what each text says, as a number, int64, shape (Q,).
        candidates: the same of the candidates, shape (C,).
        right: which candidate is each text's own, shape (Q,).
    """
    same = (candidates[None, :] == keys[:, None]) | (candidates[None, :] == candidates[right][:, None])
    own = functional.one_hot(right, len(candidates)).bool()
    return same & ~own
