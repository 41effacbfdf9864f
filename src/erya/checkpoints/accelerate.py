"""The packed encoder inside somebody else's `transformers` model: same parameters, same outputs, no padding.

The model stays what it is: its parameters, their names, its configuration, how it is saved. Only what its
encoder computes is computed by Erya, by layers that hold the model's own parameters.

S sequences, L longest length, H width.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from erya.checkpoints.families.family import ENCODER_PREFIX, Family
from erya.checkpoints.families.table import FAMILIES
from erya.errors import CheckpointError
from erya.models.encoder import Encoder
from erya.models.outputs import EncoderOutput
from erya.nn.packing import PackedTensors, repad
from erya.runtime import require

Model = TypeVar("Model", bound=nn.Module)

_STATE = "_erya_encoder"
# What the forward of an encoder takes and Erya computes; anything else must not be asked for.
_KNOWN = ("input_ids", "attention_mask", "token_type_ids", "position_ids", "task_type_ids")
_ASKED = ("output_hidden_states", "output_attentions", "return_dict")
# What `Trainer` hands through to the loss, past the encoder.
_PASSING = ("num_items_in_batch",)


def accelerate(model: Model) -> Model:
    """Let the encoder of a loaded `transformers` model run packed. Works in training and in evaluation.

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
    packed = _packed_class(type(base))
    # Not by setattr: a registered module would add its names to those the model is saved with.
    base.__dict__[_STATE] = encoder
    base.__class__ = packed
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
            hint="wrap the model (DataParallel, peft, ...) after it was accelerated",
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
    if getattr(base, "is_gradient_checkpointing", False):
        raise CheckpointError(
            "gradient checkpointing is on, which Erya does not have",
            where=where,
            hint="call model.gradient_checkpointing_disable() first; packed sequences need less memory",
        )
    config, _ = family.parse(data, where)
    _require_derived(base, family.derived(config))
    has_pooler = getattr(base, "pooler", None) is not None
    with torch.device("meta"):
        encoder = Encoder(config, pooler=has_pooler)
    _share(encoder, base, family)
    return encoder.train(base.training)


def _require_derived(base: nn.Module, derived: Mapping[str, NDArray[np.float32]]) -> None:
    """What is computed here and stored there must be the same there."""
    theirs = base.state_dict()
    for name, values in derived.items():
        if not np.allclose(theirs[name].float().cpu().numpy(), values, atol=1e-6):
            raise CheckpointError(
                f"{name} does not hold the values it is defined by", where=type(base).__name__
            )


def _share(encoder: Encoder, base: nn.Module, family: Family) -> None:
    """Put the parameters of `base` in the places of the encoder's own."""
    theirs = dict(base.named_parameters(remove_duplicate=False))
    table = family.tensors(encoder.config)
    for name in [name for name, _ in encoder.named_parameters()]:
        parts = table[ENCODER_PREFIX + name]
        missing = [part for part in parts if part not in theirs]
        if missing:
            raise CheckpointError(
                f"the model has no parameter {', '.join(missing)}", where=type(base).__name__
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


def _packed_class(original: type[nn.Module]) -> type[nn.Module]:
    """A subclass that computes packed. Of the same name: that is written into saved configurations."""
    signature = inspect.signature(original.forward)

    @functools.wraps(original.forward)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        given = dict(signature.bind(self, *args, **kwargs).arguments)
        given.pop("self")
        given |= given.pop("kwargs", {})
        return _forward(self, {name: value for name, value in given.items() if value is not None})

    body = {"forward": forward, "__module__": original.__module__, "__qualname__": original.__qualname__}
    return type(original.__name__, (original,), body)


def _forward(base: nn.Module, given: dict[str, Any]) -> Any:
    """What the encoder of `base` gives, as `transformers` wants it."""
    asked = {name: given.pop(name, getattr(base.config, name, None)) for name in _ASKED}
    _require_known(given)
    encoder: Encoder = base.__dict__[_STATE]
    if encoder.training != base.training:
        encoder.train(base.training)
    ids: Tensor = given["input_ids"]
    mask = given.get("attention_mask")
    mask = torch.ones_like(ids) if mask is None else mask
    _move_tables(encoder, ids.device)
    batch = encoder.pack(
        ids,
        mask,
        given.get("token_type_ids"),
        position_ids=_positions(encoder, given.get("position_ids"), ids),
        task_type_ids=given.get("task_type_ids"),
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
    if isinstance(mask, Tensor) and mask.ndim != 2:
        raise ValueError(f"attention_mask has {mask.ndim} dimensions; an accelerated encoder takes (S, L)")


def _positions(encoder: Encoder, position_ids: Tensor | None, ids: Tensor) -> Tensor | None:
    if position_ids is None:
        return None
    return position_ids.expand_as(ids) - encoder.embeddings.first_position


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
    if encoder.pooler is None:
        return outputs.BaseModelOutput(last_hidden_state=hidden, hidden_states=states, attentions=attentions)
    return outputs.BaseModelOutputWithPooling(
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
