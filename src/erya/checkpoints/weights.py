"""Finding the weight files of a directory and reading what they hold. Torch-free for safetensors."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from erya.bundled import located
from erya.checkpoints.info import read_json
from erya.errors import CheckpointError
from erya.runtime import require

SAFETENSORS_FILE = "model.safetensors"
PICKLED_FILE = "pytorch_model.bin"
# Safetensors first: smaller risk, no copy. A whole file before a sharded one, as `transformers` does.
_CANDIDATES = (
    SAFETENSORS_FILE,
    SAFETENSORS_FILE + ".index.json",
    PICKLED_FILE,
    PICKLED_FILE + ".index.json",
)
# Torch's names of number formats as safetensors writes them.
_SHORT = {"torch.float32": "F32", "torch.float16": "F16", "torch.bfloat16": "BF16", "torch.int64": "I64"}
_LFS_POINTER = b"version https://git-lfs"
_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """The weight files of a model directory.

    Attributes:
        kind: how they are written.
        paths: the files, at least one.
        index: which file holds which tensor, by name; None for a single file.
    """

    kind: Literal["safetensors", "pickle"]
    paths: tuple[Path, ...]
    index: Mapping[str, Path] | None


@dataclass(frozen=True, slots=True)
class TensorHeader:
    """Shape and number format of a stored tensor, and its size in bytes."""

    shape: tuple[int, ...]
    dtype: str
    num_bytes: int


def has_weights(directory: Path) -> bool:
    """Whether `directory` holds weights, whole or not."""
    return any((directory / name).is_file() for name in _CANDIDATES)


def find_weights(directory: Path) -> WeightFiles:
    """The weight files of `directory`.

    Raises:
        CheckpointError: there are none, one that an index names is missing, or one is a Git LFS pointer.
    """
    directory = located(directory)
    for name in _CANDIDATES:
        path = directory / name
        if not path.is_file():
            continue
        index = _read_index(path) if name.endswith(".index.json") else None
        paths = tuple(dict.fromkeys(index.values())) if index is not None else (path,)
        for shard in paths:
            _require_whole(shard)
        return WeightFiles("safetensors" if name.startswith(SAFETENSORS_FILE) else "pickle", paths, index)
    is_tensorflow = any(directory.glob("*.ckpt*"))
    hint = f"these are TensorFlow's: erya import {directory} --out DIR" if is_tensorflow else None
    raise CheckpointError(
        f"no weights: neither {SAFETENSORS_FILE} nor {PICKLED_FILE}", where=str(directory), hint=hint
    )


def read_header(path: Path) -> dict[str, TensorHeader]:
    """Names, shapes and number formats in a safetensors file, without reading the tensors.

    Raises:
        CheckpointError: the file is cut short or is not a safetensors file.
    Source: the safetensors format: eight bytes of length, a JSON header, the data.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
            if len(start) < 8:
                raise ValueError(f"the file ends at byte {len(start)}, within the length of its header")
            (length,) = struct.unpack("<Q", start)
            if length > _MAX_HEADER_BYTES:
                raise ValueError(f"a header of {length} bytes")
            text = stream.read(length)
        if len(text) < length:
            raise ValueError(f"it ends at byte {8 + len(text)}, within its header of {length} bytes")
        entries = json.loads(text)
        entries.pop("__metadata__", None)
        headers = {name: _header(entry) for name, entry in entries.items()}
        _require_size(8 + length + sum(header.num_bytes for header in headers.values()), path)
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise damaged(path, error) from None
    return headers


def read_headers(files: WeightFiles) -> dict[str, TensorHeader]:
    """Names, shapes and number formats of all tensors of a directory. Pickled files need torch.

    Raises:
        CheckpointError: a file is damaged.
    """
    if files.kind == "safetensors":
        return {name: header for path in files.paths for name, header in read_header(path).items()}
    require("torch")
    from erya.checkpoints.tensors import open_tensors

    return {
        name: TensorHeader(
            tuple(tensor.shape), _SHORT.get(str(tensor.dtype), str(tensor.dtype)), tensor.nbytes
        )
        for name, tensor in open_tensors(files).items()
    }


def damaged(path: Path, error: Exception) -> CheckpointError:
    """The error for a weight file that cannot be read."""
    return CheckpointError(
        f"the weights cannot be read: {error}", where=str(path), hint="copy or download the file again"
    )


def _require_size(wanted: int, path: Path) -> None:
    size = path.stat().st_size
    if size < wanted:
        raise ValueError(f"its header says {wanted} bytes, the file is cut short at byte {size}")
    if size > wanted:
        raise ValueError(f"its header says {wanted} bytes, the file has {size}")


def _header(entry: Mapping[str, object]) -> TensorHeader:
    start, end = entry["data_offsets"]  # type: ignore[misc]
    return TensorHeader(tuple(entry["shape"]), str(entry["dtype"]), end - start)  # type: ignore[arg-type,has-type]


def _read_index(path: Path) -> dict[str, Path]:
    places = read_json(path).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise CheckpointError("the index has no weight_map", where=str(path))
    for shard in places.values():
        if not isinstance(shard, str) or Path(shard).name != shard:
            raise CheckpointError(f"the index names {shard!r}, not a file beside it", where=str(path))
    return {name: path.parent / shard for name, shard in places.items()}


def _require_whole(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(
            "the index names a file that is not there", where=str(path), hint="fetch it into the same folder"
        )
    with path.open("rb") as stream:
        if stream.read(len(_LFS_POINTER)) == _LFS_POINTER:
            raise CheckpointError(
                "this is a Git LFS pointer, not the weights", where=str(path), hint="run `git lfs pull` there"
            )
