"""The tensors of a model directory, read when asked for, under their own names or ours."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from torch import Tensor

from erya.checkpoints.names import NamePlan
from erya.checkpoints.weights import TensorHeader, WeightFiles, damaged, read_header
from erya.errors import CheckpointError

# What torch says of a name in a pickle that it does not resolve.
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")
_NOT_WEIGHTS = "Weights only load failed"
# Formats whose numbers are the weights themselves.
_FORMATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


class SafetensorsMapping(Mapping[str, Tensor]):
    """Tensors in safetensors files by the names they have there; each is read when asked for.

    Args:
        places: which file holds which tensor.
    Raises:
        CheckpointError: a file is damaged.
    """

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = places
        self._open = {path: _open_file(path) for path in set(places.values())}

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._open[self._places[name]].get_tensor(name)  # type: ignore[no-untyped-call]
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class RenamedTensors(Mapping[str, Tensor]):
    """Stored tensors under our names; parts of a fused tensor are concatenated when asked for.

    Args:
        stored: by the names in the file.
        plan: how those names map to ours.
        where: the checkpoint, for errors.
    """

    def __init__(self, stored: Mapping[str, Tensor], plan: NamePlan, *, where: str) -> None:
        self._stored, self.plan, self._where = stored, plan, where

    def __getitem__(self, name: str) -> Tensor:
        names = self.plan.sources[name]
        parts = [self._stored[part] for part in names]
        for part, tensor in zip(names, parts, strict=True):
            if tensor.dtype not in _FORMATS:
                raise CheckpointError(
                    f"{part} is stored as {tensor.dtype}: quantised weights, which mean nothing without their"
                    " scales",
                    where=self._where,
                    hint="get the weights in float32, float16 or bfloat16",
                )
        if len({part.shape for part in parts}) > 1:
            shapes = ", ".join(f"{n} is {tuple(p.shape)}" for n, p in zip(names, parts, strict=True))
            raise CheckpointError(
                f"tensors that belong together have different shapes: {shapes}", where=self._where
            )
        return torch.cat(parts, dim=0) if len(parts) > 1 else parts[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self.plan.sources)

    def __len__(self) -> int:
        return len(self.plan.sources)

    def require_tied(self, *, where: str) -> None:
        """Check that what the file stores twice, as decoder and as embeddings, is equal.

        Raises:
            CheckpointError: it differs: the decoder is a tensor of its own, which Erya does not have.
        """
        for repetition, original in self.plan.tied:
            if not torch.equal(self._stored[repetition], self._stored[original]):
                raise CheckpointError(
                    f"{repetition} differs from {original}; Erya's decoder is tied to the embeddings",
                    where=where,
                )

    def require_derived(self, expected: Mapping[str, NDArray[np.float32]], *, where: str) -> None:
        """Check that what the file stores, and we compute, is what we compute.

        Args:
            expected: by the name in the family's table.
            where: the checkpoint, for errors.
        Raises:
            CheckpointError: it differs: the model was changed in a way its configuration does not say.
        """
        for name, file in self.plan.derived.items():
            stored, wanted = self._stored[file], torch.from_numpy(expected[name])
            rounding = 1e-5 if stored.dtype == torch.float32 else 1e-2
            if stored.shape != wanted.shape or float((stored.float() - wanted).abs().max()) > rounding:
                raise CheckpointError(
                    f"{file}, shape {tuple(stored.shape)}, is not what the configuration gives, shape"
                    f" {tuple(wanted.shape)}",
                    where=where,
                )


def headers_of(tensors: Mapping[str, Tensor]) -> dict[str, TensorHeader]:
    """Shapes and number formats of tensors in memory."""
    return {
        name: TensorHeader(tuple(tensor.shape), str(tensor.dtype), tensor.nbytes)
        for name, tensor in tensors.items()
    }


def open_tensors(files: WeightFiles) -> Mapping[str, Tensor]:
    """The tensors of a directory by the names they have there.

    Pickled files are read with `weights_only=True`: they can hold tensors, never code.

    Raises:
        CheckpointError: a file is damaged, is not what its name says, or lacks a tensor its index names.
    """
    if files.kind == "safetensors":
        return _open_safetensors(files)
    stored: dict[str, Tensor] = {}
    for path in files.paths:
        stored.update(read_pickled(path))
    absent = [name for name in files.index or {} if name not in stored]
    if absent:
        shown = ", ".join(absent[:5])
        raise CheckpointError(
            f"the index names {len(absent)} tensors that no file holds: {shown}",
            where=str(files.paths[0].parent),
            hint="get the files that the index names again",
        )
    return stored


def _open_safetensors(files: WeightFiles) -> SafetensorsMapping:
    places: dict[str, Path] = {}
    for path in files.paths:
        places.update(dict.fromkeys(read_header(path), path))
    for name, path in (files.index or {}).items():
        if places.get(name) != path:
            raise CheckpointError(f"the index names a tensor the file does not hold: {name}", where=str(path))
    return SafetensorsMapping(places)


def _open_file(path: Path) -> safe_open:
    try:
        return safe_open(path, framework="pt")
    except SafetensorError as error:
        raise damaged(path, error) from None


def read_pickled(path: Path) -> dict[str, Tensor]:
    """The named tensors of a file of `torch.save`, never code.

    Raises:
        CheckpointError: the file is damaged, or holds something besides named tensors.
    """
    try:
        # Code in a pickle never runs: whatever is no tensor makes the file refused.
        # Only the zipped format can be mapped; the older one is read whole.
        data = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, AttributeError) as error:
        raise _refused(path, error) from None
    if isinstance(data, dict):
        data = data.get("module", data)  # how DeepSpeed wraps it
    if not isinstance(data, dict) or not all(_is_named_tensor(*item) for item in data.items()):
        raise CheckpointError(
            "the file holds something besides named tensors",
            where=str(path),
            hint="save the model's state_dict alone: a dictionary of names and tensors",
        )
    return data


def _is_named_tensor(name: object, value: object) -> bool:
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and not value.is_quantized
    )


def _refused(path: Path, error: Exception) -> CheckpointError:
    """The error for a pickle that was not read: it is damaged, or it asks for more than tensors."""
    reason = str(error)
    wanted = _GLOBAL.search(reason)
    if wanted is None and not reason.startswith(_NOT_WEIGHTS):
        # Torch tells what is wrong with its own format; of anything else the words help nobody.
        told = reason.split("\n", 1)[0] if isinstance(error, RuntimeError) else ""
        return damaged(path, RuntimeError(told or "it is empty, cut short, or no file of torch.save"))
    found = f"code or objects ({wanted[1]})" if wanted else "something other than tensors, or is damaged"
    return CheckpointError(
        f"the weights cannot be read: the file holds {found}; nothing of it was run",
        where=str(path),
        hint="get the weights as safetensors, or from somebody you trust, and save their state_dict alone",
    )
