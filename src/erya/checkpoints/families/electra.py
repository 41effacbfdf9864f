"""ELECTRA, generator and discriminator: BERT with narrower embeddings and no pooler.

Source: Clark et al. 2020, ELECTRA: Pre-training Text Encoders as Discriminators Rather Than Generators.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import DENSE_CLASSIFIER, SPANS, TAGGER, bert_encoder, dense
from erya.checkpoints.families.options import bert_entries, bert_values, embedding_size, make_config, refuse
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig

_DEFAULTS: Mapping[str, Any] = {"hidden_size": 256, "num_attention_heads": 4, "intermediate_size": 1024}
_EMBEDDING_SIZE = 128
_HEADS: Mapping[TaskName, Table] = {
    "masked_lm": {
        **dense("head.dense", "generator_predictions.dense"),
        **dense("head.norm", "generator_predictions.LayerNorm"),
        "head.bias": ("generator_lm_head.bias",),
    },
    "replaced_token": {
        **dense("discriminator.dense", "discriminator_predictions.dense"),
        **dense("discriminator.prediction", "discriminator_predictions.dense_prediction"),
    },
    "classify": DENSE_CLASSIFIER,
    "tag": TAGGER,
    "answer": SPANS,
}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, {"position_embedding_type": (None, "absolute")}, where)
    values = bert_values(data, where, defaults=_DEFAULTS) | {
        "family": "electra",
        # Fixed in its code, whatever the feed-forward layers have.
        "head_activation": "gelu",
        "pooler": {"activation": "gelu"},
    }
    values["embedding_size"] = embedding_size(
        {"embedding_size": _EMBEDDING_SIZE, **data}, values["hidden_size"]
    )
    return make_config(values, where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    return {**bert_entries(config), "embedding_size": config.words_size}


def projected_tensors(config: EncoderConfig) -> Table:
    """BERT's names, and those of the layer that widens the embeddings, if there is one."""
    table = bert_encoder(config)
    if config.embedding_size is not None:
        table |= dense("encoder.embeddings.projection", "embeddings_project")
    return table


def _heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    return _HEADS


ELECTRA = Family(
    name="electra",
    class_prefix="Electra",
    prefix="electra.",
    parse=_parse,
    render=_render,
    tensors=projected_tensors,
    heads=_heads,
    classes={**USUAL_CLASSES, "ForPreTraining": ("replaced_token",)},
    tied={"generator_lm_head.weight": "embeddings.word_embeddings.weight"},
)
