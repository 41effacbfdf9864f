"""Random models of every family that `transformers` has, with odd sizes and options off their defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

_SIZES: dict[str, Any] = {
    "vocab_size": 53,
    "hidden_size": 30,
    "num_hidden_layers": 3,
    "num_attention_heads": 5,
    "intermediate_size": 37,
    "max_position_embeddings": 41,
    "type_vocab_size": 3,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.2,
    "attention_probs_dropout_prob": 0.3,
    "layer_norm_eps": 1e-5,
    "initializer_range": 0.07,
    "pad_token_id": 3,
}
_LABELS = {"id2label": {0: "差", 1: "中", 2: "好"}, "label2id": {"差": 0, "中": 1, "好": 2}}
_NARROW = {"embedding_size": 14}
_DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "max_relative_positions": 29,
    "pos_att_type": ["p2c", "c2p"],
    "pooler_hidden_act": "silu",
}
_MODERN: dict[str, Any] = {
    "vocab_size": 53,
    "hidden_size": 30,
    "num_hidden_layers": 4,
    "num_attention_heads": 5,
    "intermediate_size": 37,
    "max_position_embeddings": 41,
    "hidden_activation": "gelu_pytorch_tanh",
    "classifier_activation": "silu",
    "norm_eps": 1e-4,
    "initializer_range": 0.07,
    "local_attention": 6,
    "global_rope_theta": 5000.0,
    "local_rope_theta": 700.0,
    "pad_token_id": 3,
    "bos_token_id": None,
    "eos_token_id": None,
    "cls_token_id": None,
    "sep_token_id": None,
}
_WITH_BIASES = {"norm_bias": True, "attention_bias": True, "mlp_bias": True, "classifier_bias": True}


@dataclass(frozen=True)
class Case:
    """A family, a part of its name, and the options of its models."""

    family: str
    class_prefix: str
    options: dict[str, Any]


def _case(family: str, class_prefix: str, **options: Any) -> Case:
    return Case(family, class_prefix, _SIZES | options)


CASES: Mapping[str, Case] = {
    "bert": _case("bert", "Bert"),
    "ernie": _case("ernie", "Ernie"),
    "ernie-tasks": _case("ernie", "Ernie", use_task_id=True, task_type_vocab_size=4),
    "distilbert": Case(
        "distilbert",
        "DistilBert",
        {
            "vocab_size": 53,
            "dim": 30,
            "n_layers": 3,
            "n_heads": 5,
            "hidden_dim": 37,
            "max_position_embeddings": 41,
            "activation": "gelu_new",
            "initializer_range": 0.07,
            "pad_token_id": 3,
            "sinusoidal_pos_embds": True,
        },
    ),
    "electra": _case("electra", "Electra", **_NARROW),
    "electra-wide": _case("electra", "Electra", embedding_size=30, hidden_act="relu"),
    "albert": _case("albert", "Albert", **_NARROW),
    "albert-groups": _case(
        "albert", "Albert", num_hidden_layers=5, num_hidden_groups=2, inner_group_num=2, **_NARROW
    ),
    "albert-wide": _case("albert", "Albert", embedding_size=30),
    "roberta": _case("roberta", "Roberta"),
    "xlm-roberta": _case("xlm-roberta", "XLMRoberta", type_vocab_size=1, pad_token_id=1),
    "roformer": _case("roformer", "RoFormer", **_NARROW),
    "roformer-values": _case("roformer", "RoFormer", rotary_value=True, hidden_act="relu"),
    "deberta-v2": _case(
        "deberta-v2",
        "DebertaV2",
        **_DEBERTA,
        **_NARROW,
        position_buckets=6,
        norm_rel_ebd="layer_norm",
        conv_kernel_size=3,
        conv_groups=2,
        conv_act="gelu",
    ),
    "deberta-v3": _case(
        "deberta-v2",
        "DebertaV2",
        **(_DEBERTA | {"pos_att_type": "p2c|c2p", "max_relative_positions": -1}),
        position_buckets=8,
        share_att_key=True,
        norm_rel_ebd="layer_norm",
        position_biased_input=False,
        type_vocab_size=0,
    ),
    "deberta-one-term": _case("deberta-v2", "DebertaV2", **(_DEBERTA | {"pos_att_type": ["c2p"]})),
    "deberta-absolute": _case("deberta-v2", "DebertaV2", pooler_hidden_act="tanh"),
    "modernbert": Case("modernbert", "ModernBert", _MODERN),
    "modernbert-biases": Case(
        "modernbert",
        "ModernBert",
        _MODERN | _WITH_BIASES | {"classifier_pooling": "mean", "global_attn_every_n_layers": 2},
    ),
    "modernbert-global": Case("modernbert", "ModernBert", _MODERN | {"global_attn_every_n_layers": 1}),
}


@dataclass(frozen=True)
class Padded:
    """A padded batch: what a model takes, by name, each of shape (S, L), and the columns that are kept."""

    inputs: dict[str, Tensor]

    @property
    def kept(self) -> Tensor:
        return self.inputs["attention_mask"].bool()


def make(case: Case, suffix: str, *, seed: int, **options: Any) -> PreTrainedModel:
    """A model of `transformers` with random values in every parameter, norms and biases included."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(case.family, **(case.options | _LABELS | options))
    kind = getattr(transformers, case.class_prefix + suffix)
    model: PreTrainedModel = kind._from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "embed_positions" not in name:  # computed, not learnt
                parameter.add_(torch.randn_like(parameter), alpha=0.07)
    return model


def has(case: Case, suffix: str) -> bool:
    """Whether `transformers` has such a class."""
    return hasattr(transformers, case.class_prefix + suffix)


def save(model: PreTrainedModel, directory: Path) -> Path:
    """Save it; where tensors may be BERT's or RoBERTa's, with what tells that the vocabulary is RoBERTa's."""
    model.save_pretrained(directory)
    if model.config.model_type in ("roberta", "xlm-roberta"):
        (directory / "tokenizer.json").write_text('{"model": {"type": "BPE"}}', encoding="utf-8")
    return directory


def inputs_of(
    model: PreTrainedModel, *, num_sequences: int = 4, num_columns: int = 19, seed: int = 7
) -> Padded:
    """Random ids, segments and tasks; each row keeps its first column and a random half of the others."""
    noise = torch.Generator().manual_seed(seed)
    shape = (num_sequences, num_columns)
    keep = torch.rand(shape, generator=noise) < 0.6
    keep[:, 0] = True
    config = model.config.to_dict()
    inputs = {
        "input_ids": torch.randint(0, config["vocab_size"], shape, generator=noise),
        "attention_mask": keep.long(),
    }
    # Padding anywhere, a kept one too: RoBERTa counts no positions there.
    inputs["input_ids"][:, 5] = config["pad_token_id"]
    if config.get("type_vocab_size"):
        inputs["token_type_ids"] = torch.randint(0, config["type_vocab_size"], shape, generator=noise)
    if config.get("use_task_id"):
        inputs["task_type_ids"] = torch.randint(0, config["task_type_vocab_size"], shape, generator=noise)
    return Padded(inputs)


def differ(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference, as a share of the largest absolute value of theirs."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    return float((ours - theirs).abs().max() / theirs.abs().max())
