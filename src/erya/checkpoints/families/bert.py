"""BERT: Google's, the multilingual one, and the Chinese ones that are called RoBERTa or MacBERT."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.family import USUAL_CLASSES, Family, Table
from erya.checkpoints.families.layouts import BERT_HEADS, MASKED_TIED, POOLER, bert_encoder
from erya.checkpoints.families.options import PLAIN, bert_entries, bert_values, make_config, refuse
from erya.checkpoints.info import TaskName
from erya.models.config import EncoderConfig

CLASSES: Mapping[str, tuple[TaskName, ...]] = {
    **USUAL_CLASSES,
    "ForNextSentencePrediction": ("next_sentence",),
    "ForPreTraining": ("masked_lm", "next_sentence"),
}


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, PLAIN, where)
    return make_config(bert_values(data, where), where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    return {**bert_entries(config), "position_embedding_type": "absolute"}


def tensors_with_pooler(config: EncoderConfig) -> Table:
    """BERT's names, the pooler's among them."""
    return bert_encoder(config) | POOLER


def bert_heads(config: EncoderConfig) -> Mapping[TaskName, Table]:
    """BERT's heads, whatever the configuration."""
    return BERT_HEADS


BERT = Family(
    name="bert",
    class_prefix="Bert",
    prefix="bert.",
    parse=_parse,
    render=_render,
    tensors=tensors_with_pooler,
    heads=bert_heads,
    classes=CLASSES,
    tied=MASKED_TIED,
)
