"""ERNIE 1.0 to 3.0: BERT, in later ones with an embedding of the kind of task.

Source: Sun et al. 2020, ERNIE 2.0: A Continual Pre-Training Framework for Language Understanding.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.checkpoints.families.bert import CLASSES, bert_heads, tensors_with_pooler
from erya.checkpoints.families.family import Family
from erya.checkpoints.families.layouts import MASKED_TIED
from erya.checkpoints.families.options import PLAIN, bert_entries, bert_values, make_config, refuse
from erya.models.config import EncoderConfig

_NUM_TASKS = 3


def _parse(data: Mapping[str, Any], where: str) -> tuple[EncoderConfig, tuple[str, ...]]:
    refuse(data, PLAIN, where)
    num_tasks = data.get("task_type_vocab_size", _NUM_TASKS) if data.get("use_task_id", False) else 0
    values = bert_values(data, where) | {"family": "ernie", "num_tasks": num_tasks}
    return make_config(values, where), ()


def _render(config: EncoderConfig) -> dict[str, Any]:
    return {
        **bert_entries(config),
        "use_task_id": config.num_tasks > 0,
        "task_type_vocab_size": config.num_tasks or _NUM_TASKS,
    }


ERNIE = Family(
    name="ernie",
    class_prefix="Ernie",
    prefix="ernie.",
    parse=_parse,
    render=_render,
    tensors=tensors_with_pooler,
    heads=bert_heads,
    classes=CLASSES,
    tied=MASKED_TIED,
)
