"""Tiny models and batches for objectives of pre-training."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from erya.data.batches import PackedBatch, bounds_of, positions_of
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.heads.masked_pairs import MaskedPairModel
from erya.models.initialise import initialise
from erya.models.masked_lm import MaskedLanguageModel
from erya.nn.packing import PackedTensors

VOCAB, MASK = 30, 4


def toy_config(**changes: Any) -> EncoderConfig:
    sizes = {
        "vocab_size": VOCAB,
        "hidden_size": 24,
        "num_layers": 2,
        "num_heads": 4,
        "intermediate_size": 40,
        "max_positions": 20,
        "dropout_prob": 0.0,
        "attention_dropout_prob": 0.0,
    }
    return EncoderConfig.model_validate(sizes | changes)


def toy_model(*, pairs: bool = False, seed: int = 0, **changes: Any) -> MaskedLanguageModel:
    encoder = Encoder(toy_config(**changes), pooler=pairs)
    model = MaskedPairModel(encoder) if pairs else MaskedLanguageModel(encoder)
    initialise(model, initializer_range=0.2, generator=torch.Generator().manual_seed(seed))
    return model


def toy_batch(
    lengths: tuple[int, ...] = (9, 6, 12, 5), *, seed: int = 0, next_sentence: list[int] | None = None
) -> PackedBatch:
    """[CLS] A [SEP] B [SEP] with a third of the tokens masked, at least one of each sequence."""
    rng = np.random.default_rng(seed)
    sizes = np.array(lengths, dtype=np.int32)
    bounds = bounds_of(sizes)
    labels = rng.integers(5, VOCAB, bounds[-1]).astype(np.int32)
    types = (positions_of(sizes) >= np.repeat(sizes // 2, sizes)).astype(np.uint8)
    labels[bounds[:-1]], labels[bounds[1:] - 1] = 2, 3
    chosen = np.flatnonzero((labels > 4) & (rng.random(len(labels)) < 0.3))
    chosen = np.union1d(chosen, bounds[:-1] + 1).astype(np.int64)
    ids = labels.copy()
    ids[chosen] = MASK
    targets: dict[str, np.ndarray] = {
        "masked_positions": chosen,
        "masked_labels": labels[chosen].astype(np.int64),
    }
    if next_sentence is not None:
        targets["next_sentence"] = np.array(next_sentence, dtype=np.int64)
    return PackedBatch(ids, types, positions_of(sizes), bounds, int(sizes.max()), targets)


def tensors(batch: PackedBatch) -> PackedTensors:
    return PackedTensors.from_batch(batch, torch.device("cpu"))
