"""The packed encoder inside somebody else's `transformers` model: same parameters, same outputs, no padding.

The model stays what it is: its parameters, their names, its configuration, how it is saved. Only what its
encoder computes is computed by Erya, by layers that hold the model's own parameters.

States of padding are zeros. What `transformers` has there means nothing, but some heads read it.

S sequences, L longest length, H width.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Mapping
from typing import Any, SupportsIndex, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erya.checkpoints.families.family import ENCODER_PREFIX, Family
from erya.checkpoints.families.table import FAMILIES
from erya.checkpoints.loading import log_notice
from erya.checkpoints.snapshot import Snapshot, has_checkpointing
from erya.errors import CheckpointError
from erya.models.config import EncoderConfig
from erya.models.encoder import Encoder
from erya.models.outputs import EncoderOutput
from erya.nn.packing import PackedTensors, repad
from erya.runtime import require

Model = TypeVar("Model", bound=nn.Module)

_STATE = "_erya_encoder"
# What the forward of an encoder takes and Erya computes; anything else must not be asked for.
_KNOWN = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "task_type_ids")
_ASKED = ("output_hidden_states", "output_attentions", "return_dict")
# Classes whose heads, or losses, take in states of padding.
_READ_PADDING = ("ForQuestionAnswering", "RoFormerForMultipleChoice")
_ADAPTERS = "merge or remove adapters first; erya.restore(model) brings back the model's own code"
# What `Trainer` hands through to the loss, past the encoder.
_PASSING = ("num_items_in_batch",)


def accelerate(model: Model) -> Model:
    """Let the encoder of a loaded `transformers` model run packed. Works in training and in evaluation.

    Span answers' losses and RoFormer's multiple choice read states of padding, which are zeros here: on
    padded rows these differ, and a warning says so.

    Args:
        model: of any task whose encoder is of a family Erya has; changed in place.
    Returns:
        The same object.
    Raises:
        CheckpointError: it is no such model, or one with options Erya does not have; nothing is changed then.
    """
    base = _base(model)
    if _STATE in base.__dict__:
        return model
    encoder = _encoder_around(base)
    if type(model).__name__.endswith(_READ_PADDING):
        log_notice(type(model).__name__, "reads states of padding, which are zeros when accelerated")
    # Not by setattr: a registered module would add its names to those the model is saved with.
    base.__dict__[_STATE] = encoder, Snapshot(base)
    original: Any = type(base)
    base.__class__ = _packed_class(original)
    return model


def restore(model: Model) -> Model:
    """Undo `accelerate`: the model computes by its own code again, with the parameters it has by now."""
    base = _base(model)
    if base.__dict__.pop(_STATE, None) is not None:
        base.__class__ = type(base).__bases__[0]
    return model


def _base(model: nn.Module) -> nn.Module:
    """The encoder part of a model of `transformers`."""
    transformers = require("transformers")
    if not isinstance(model, transformers.PreTrainedModel):
        raise CheckpointError(
            f"a model of transformers is wanted, not a {type(model).__name__}",
            hint="accelerate the model before it is compiled or wrapped; adapters (peft) must be merged",
        )
    base: nn.Module = model.base_model
    return base


def _encoder_around(base: nn.Module) -> Encoder:
    """An encoder whose parameters are those of `base`."""
    data = base.config.to_dict()  # type: ignore[union-attr,operator]
    where = type(base).__name__
    family = FAMILIES.get(data.get("model_type", ""))
    if family is None:
        raise CheckpointError(
            f"model_type {data.get('model_type')!r} is not a family Erya has",
            where=where,
            hint="known: " + ", ".join(FAMILIES),
        )
    if has_checkpointing(base):
        raise CheckpointError(
            "gradient checkpointing is on, which Erya does not have",
            where=where,
            hint="call model.gradient_checkpointing_disable() first; packed sequences need less memory",
        )
    config, _ = family.parse(data, where)
    _require_dropout(base, config)
    _require_derived(base, family.derived(config))
    has_pooler = getattr(base, "pooler", None) is not None
    with torch.device("meta"):
        encoder = Encoder(config, pooler=has_pooler)
    _share(encoder, base, family)
    return encoder.train(base.training)


def _require_dropout(base: nn.Module, config: EncoderConfig) -> None:
    """Dropout comes from the configuration; what somebody set in the layers must be the same."""
    probs = {layer.p for layer in base.modules() if isinstance(layer, nn.Dropout)}
    others = probs - {config.dropout_prob, config.attention_dropout_prob}
    if others:
        raise CheckpointError(
            f"some layers drop with probability {', '.join(map(str, sorted(others)))}, the configuration says"
            f" {config.dropout_prob}, of attention {config.attention_dropout_prob}",
            where=type(base).__name__,
            hint="say it to from_pretrained instead, as the options that config.json has for it",
        )


def _require_derived(base: nn.Module, derived: Mapping[str, NDArray[np.float32]]) -> None:
    """What is computed here and stored there must be the same there."""
    theirs = base.state_dict()
    for name, values in derived.items():
        stored = theirs[name]
        rounding = 1e-2 if stored.dtype.itemsize < 4 else 1e-6
        same = stored.shape == values.shape
        if not (same and np.allclose(stored.float().cpu().numpy(), values, atol=rounding)):
            raise CheckpointError(
                f"{name} does not hold the values it is defined by", where=type(base).__name__
            )


def _share(encoder: Encoder, base: nn.Module, family: Family) -> None:
    """Put the parameters of `base` in the places of the encoder's own."""
    theirs = dict(base.named_parameters(remove_duplicate=False))
    table = family.tensors(encoder.config)
    _require_no_more(theirs, family, encoder, type(base).__name__)
    for name in [name for name, _ in encoder.named_parameters()]:
        parts = table[ENCODER_PREFIX + name]
        missing = [part for part in parts if part not in theirs]
        if missing:
            raise CheckpointError(
                f"the model has no parameter {', '.join(missing)}", where=type(base).__name__, hint=_ADAPTERS
            )
        owner_name, _, own = name.rpartition(".")
        owner = encoder.get_submodule(owner_name)
        if len(parts) == 1:
            owner._parameters[own] = theirs[parts[0]]
        elif own == "weight":
            _replace(
                encoder,
                owner_name,
                _JoinedLinear(theirs, parts, table.get(f"{ENCODER_PREFIX}{owner_name}.bias")),
            )


def _require_no_more(theirs: Mapping[str, Tensor], family: Family, encoder: Encoder, where: str) -> None:
    """Parameters that nothing here stands for would be left out of what is computed."""
    table = family.tensors(encoder.config)
    known = {part for parts in table.values() for part in parts} | set(family.derived(encoder.config))
    more = [
        name
        for name in theirs
        if name not in known and not any(re.fullmatch(pattern, name) for pattern in family.ignored)
    ]
    if more:
        raise CheckpointError(
            f"{len(more)} parameters are no {family.class_prefix}'s: {', '.join(more[:3])}",
            where=where,
            hint=_ADAPTERS,
        )


def _replace(encoder: Encoder, name: str, module: nn.Module) -> None:
    owner, _, own = name.rpartition(".")
    setattr(encoder.get_submodule(owner), own, module)


class _JoinedLinear(nn.Module):
    """Linear layers side by side, computed as one; their parameters stay apart."""

    def __init__(
        self, parameters: Mapping[str, Tensor], weights: tuple[str, ...], biases: tuple[str, ...] | None
    ) -> None:
        super().__init__()
        self._weights = nn.ParameterList([parameters[name] for name in weights])
        self._biases = None if biases is None else nn.ParameterList([parameters[name] for name in biases])
        self.in_features = self._weights[0].shape[1]
        self.out_features = sum(len(weight) for weight in self._weights)

    @property
    def weight(self) -> Tensor:
        """Shape (out_features, in_features)."""
        return torch.cat(list(self._weights))

    @property
    def bias(self) -> Tensor | None:
        """Shape (out_features,)."""
        return None if self._biases is None else torch.cat(list(self._biases))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight, self.bias)


@functools.cache
def _packed_class(original: Any) -> type[nn.Module]:
    """A subclass that computes packed. Of the same name: that is written into saved configurations."""
    signature = inspect.signature(original.forward)

    @functools.wraps(original.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        given = dict(signature.bind(self, *args, **kwargs).arguments)
        given.pop("self")
        given |= given.pop("kwargs", {})
        return _forward(self, {name: value for name, value in given.items() if value is not None})

    def reduce(self: nn.Module, protocol: SupportsIndex) -> tuple[Any, ...]:
        return _blank, (original,), self.__dict__

    # Pickled by way of the original: the name alone would find that one.
    body = {"forward": forward, "__reduce_ex__": reduce}
    names = {"__module__": original.__module__, "__qualname__": original.__qualname__}
    return type(original.__name__, (original,), body | names)


def _blank(original: Any) -> nn.Module:
    """A packed model for a copy or a pickle to fill."""
    packed = _packed_class(original)
    return packed.__new__(packed)


@torch.compiler.disable  # type: ignore[untyped-decorator]  # hundreds of lookups, not to be traced
def _encoder_of(base: nn.Module) -> Encoder:
    """The encoder around the parameters that `base` has now.

    Raises:
        CheckpointError: it was changed into something that Erya does not compute.
        ValueError: it is a copy on another device.
    """
    if "_is_replica" in base.__dict__:
        raise ValueError(
            "DataParallel copies a model to each device without its encoder: run on one device, or under"
            " torchrun with DistributedDataParallel"
        )
    state: tuple[Encoder, Snapshot] = base.__dict__[_STATE]
    encoder, snapshot = state
    if not snapshot.holds():
        encoder = _encoder_around(base)
        base.__dict__[_STATE] = encoder, Snapshot(base)
    if encoder.training != base.training:
        encoder.train(base.training)
    return encoder


def _forward(base: nn.Module, given: dict[str, Any]) -> Any:
    """What the encoder of `base` gives, as `transformers` wants it."""
    asked = {name: given.pop(name, getattr(base.config, name, None)) for name in _ASKED}
    _require_known(given)
    encoder: Encoder = _encoder_of(base)
    ids: Tensor = given["input_ids"]
    mask = given.get("attention_mask")
    mask = torch.ones_like(ids) if mask is None else mask
    _move_tables(encoder, ids.device)
    batch = encoder.pack(
        ids,
        mask,
        _spread(given.get("token_type_ids"), ids),
        position_ids=_positions(encoder, given.get("position_ids"), ids),
        task_type_ids=_spread(given.get("task_type_ids"), ids),
    )
    output = encoder(
        batch,
        keep_all_hidden=bool(asked["output_hidden_states"]),
        keep_attentions=bool(asked["output_attentions"]),
    )
    result = _as_theirs(encoder, output, batch, mask)
    return result if asked["return_dict"] in (None, True) else result.to_tuple()


def _require_known(given: Mapping[str, Any]) -> None:
    # False asks for nothing: `use_cache=False`.
    known = (*_KNOWN, *_PASSING)
    unknown = [name for name, value in given.items() if name not in known and value is not False]
    if unknown or "input_ids" not in given:
        what = f"{', '.join(unknown)} cannot be used" if unknown else "input_ids is missing"
        raise ValueError(
            f"{what} in an accelerated encoder, which takes {', '.join(_KNOWN)}; erya.restore(model) brings"
            " back its own code"
        )
    mask = given.get("attention_mask")
    if isinstance(mask, Tensor) and mask.shape != given["input_ids"].shape:
        raise ValueError(
            f"attention_mask has shape {tuple(mask.shape)}; an accelerated encoder takes that of input_ids,"
            f" {tuple(given['input_ids'].shape)}"
        )


def _positions(encoder: Encoder, position_ids: Tensor | None, ids: Tensor) -> Tensor | None:
    spread = _spread(position_ids, ids)
    return None if spread is None else spread - encoder.embeddings.first_position


def _spread(values: Tensor | None, ids: Tensor) -> Tensor | None:
    """One row for all, as `transformers` takes it, for each."""
    return None if values is None else values.expand_as(ids)


def _move_tables(encoder: Encoder, device: torch.device) -> None:
    """Parameters move with the model that owns them; what is derived does not."""
    for module in encoder.modules():
        for name, table in module.named_buffers(recurse=False):
            if table.device != device:
                module._buffers[name] = table.to(device)


def _as_theirs(encoder: Encoder, output: EncoderOutput, batch: PackedTensors, mask: Tensor) -> Any:
    outputs = require("transformers.modeling_outputs")
    states = None
    if output.all_hidden is not None:
        states = tuple(repad(state, mask) for state in output.all_hidden)
    attentions = None
    if output.attentions is not None:
        attentions = tuple(_padded_probs(of_layer, mask) for of_layer in output.attentions)
    hidden = repad(output.hidden, mask)
    # Classes with places for all that any head looks for, empty ones too.
    if encoder.pooler is None:
        return outputs.BaseModelOutputWithPastAndCrossAttentions(
            last_hidden_state=hidden, hidden_states=states, attentions=attentions
        )
    return outputs.BaseModelOutputWithPoolingAndCrossAttentions(
        last_hidden_state=hidden,
        pooler_output=encoder.pool(output, batch),
        hidden_states=states,
        attentions=attentions,
    )


def _padded_probs(probs: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """The probabilities of each sequence in their places, shape (S, heads, L, L); zeros elsewhere."""
    size = mask.shape[1]
    padded = probs[0].new_zeros(len(mask), len(probs[0]), size, size)
    for row, (of_sequence, kept) in enumerate(zip(probs, mask.bool(), strict=True)):
        places = kept.nonzero().squeeze(1)
        padded[row, :, places[:, None], places[None]] = of_sequence
    return padded
