"""Operations of a batch under an objective."""

from __future__ import annotations

import numpy as np

from erya.data.batches import PackedBatch
from erya.models.config import EncoderConfig
from erya.models.flops import encoder_flops_per_token, flops_per_token
from erya.pretrain.objectives.module import ObjectiveModule
from erya.pretrain.objectives.replaced import ReplacedTraining
from erya.train.vitals import MASKED, Flops


def flops_of(module: ObjectiveModule) -> Flops:
    """Operations of a training step, forward and backward; but for pairs and a teacher."""
    main = module.encoders()[0].config
    if isinstance(module, ReplacedTraining):
        generator = module.generator.encoder.config
        return lambda batch: _masked(generator, batch) + _whole(main, batch)
    return lambda batch: _masked(main, batch)


def seen_length(batch: PackedBatch) -> float:
    """The mean number of tokens a token sees: the sum of the squared lengths over their sum."""
    lengths = np.diff(batch.bounds).astype(np.float64)
    return float((lengths**2).sum() / lengths.sum())


def _masked(config: EncoderConfig, batch: PackedBatch) -> float:
    share = len(batch.targets[MASKED]) / batch.num_tokens
    counted = flops_per_token(config, length=seen_length(batch), masked_share=share)
    return counted.total * batch.num_tokens


def _whole(config: EncoderConfig, batch: PackedBatch) -> float:
    """Of an encoder whose last states are all wanted."""
    return encoder_flops_per_token(config, length=seen_length(batch)).total * batch.num_tokens
