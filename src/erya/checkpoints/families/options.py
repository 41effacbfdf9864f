"""Reading the options of a `config.json` that several families share, and refusing those Erya lacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from erya.config import validate
from erya.errors import CheckpointError, ConfigError
from erya.models.config import EncoderConfig
from erya.nn.activation import Activation

# Several names of theirs for one formula.
_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}
# Theirs to ours, where the value is the same.
BERT_FIELDS = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_positions",
    "type_vocab_size": "num_segments",
    "hidden_dropout_prob": "dropout_prob",
    "attention_probs_dropout_prob": "attention_dropout_prob",
    "layer_norm_eps": "layer_norm_eps",
    "initializer_range": "initializer_range",
}
# What `BertConfig` takes for a key that is not there.
BERT_DEFAULTS: Mapping[str, Any] = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "layer_norm_eps": 1e-12,
    "initializer_range": 0.02,
    "hidden_act": "gelu",
    "pad_token_id": 0,
}
# Options of any family, and the values under which they change nothing.
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "is_decoder": (None, False),
    "add_cross_attention": (None, False),
    "pruned_heads": (None, {}),
    "quantization_config": (None,),
}
# Of families whose positions are absolute and whose embeddings are as wide as everything else.
PLAIN: Mapping[str, tuple[Any, ...]] = {
    "position_embedding_type": (None, "absolute"),
    "embedding_size": (None,),
}


def refuse(data: Mapping[str, Any], neutral: Mapping[str, tuple[Any, ...]], where: str) -> None:
    """Check that options Erya does not have are off.

    Args:
        data: the contents of `config.json`.
        neutral: options of the family, and the values under which they change nothing.
        where: the file, for errors.
    Raises:
        CheckpointError: one is on; the message names it.
    """
    for option, values in {**_NEUTRAL, **neutral}.items():
        if data.get(option) not in values:
            raise CheckpointError(
                f"the option {option}={data[option]!r} changes what the model computes, and Erya does not"
                " have it",
                where=where,
            )


def take(data: Mapping[str, Any], fields: Mapping[str, str], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `fields` (theirs to ours), those that are not there by their defaults."""
    return {ours: data.get(theirs, defaults[theirs]) for theirs, ours in fields.items()}


def activation(data: Mapping[str, Any], option: str, default: str, where: str) -> Activation:
    """The non-linearity an option names.

    Raises:
        CheckpointError: Erya does not have it.
    """
    name = data.get(option, default)
    if name not in _ACTIVATIONS:
        raise CheckpointError(
            f"the option {option}={name!r} is unknown", where=where, hint="known: " + ", ".join(_ACTIVATIONS)
        )
    return _ACTIVATIONS[name]


def pad_id(data: Mapping[str, Any], default: int = 0) -> int:
    """The padding id. No padding is ever computed: where none is said, nothing is lost by the usual one."""
    value = data.get("pad_token_id", default)
    return default if value is None else int(value)


def bert_values(
    data: Mapping[str, Any], where: str, *, defaults: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The options named as BERT names them, as arguments of `EncoderConfig`.

    Args:
        data: the contents of `config.json`.
        where: the file, for errors.
        defaults: where the family's differ from BERT's.
    """
    known = {**BERT_DEFAULTS, **(defaults or {})}
    return {
        **take(data, BERT_FIELDS, known),
        "activation": activation(data, "hidden_act", known["hidden_act"], where),
        "pad_id": pad_id(data, known["pad_token_id"]),
    }


def embedding_size(data: Mapping[str, Any], hidden_size: Any) -> Any:
    """Width of the embeddings in families that project only embeddings of another width; None if the same."""
    size = data.get("embedding_size")
    return None if size == hidden_size else size


def bert_entries(config: EncoderConfig) -> dict[str, Any]:
    """The entries of `config.json` that `bert_values` reads."""
    return {
        **{theirs: getattr(config, ours) for theirs, ours in BERT_FIELDS.items()},
        "hidden_act": config.activation,
        "pad_token_id": config.pad_id,
        "is_decoder": False,
        "tie_word_embeddings": True,
    }


def make_config(values: Mapping[str, Any], where: str) -> EncoderConfig:
    """The configuration of these values.

    Raises:
        CheckpointError: a value is not allowed.
    """
    try:
        return validate(EncoderConfig, dict(values), where=where)
    except ConfigError as error:
        raise CheckpointError(error.what, where=error.where, hint=error.hint) from None
