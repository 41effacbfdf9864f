"""The files with the tensors of a checkpoint, as torch.distributed.checkpoint writes them.

Any number of ranks writes them together, and any other number reads them.
"""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import EnumType
from pathlib import Path
from typing import Any

from torch import Tensor
from torch import distributed as dist
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemReader, FileSystemWriter
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan, SavePlanner
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.checkpoint.storage import WriteResult
from torch.futures import Future

from erya.errors import CheckpointError

METADATA = ".metadata"
_TENSORS = ".distcp"

# All that the pickle with the names and places of tensors is made of. Anything else may be a program.
_KNOWN = {
    "torch.distributed.checkpoint.metadata": {
        "Metadata",
        "MetadataIndex",
        "TensorStorageMetadata",
        "TensorProperties",
        "ChunkStorageMetadata",
        "StorageMeta",
        "_MEM_FORMAT_ENCODING",
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "torch": {"Size", "float32", "float64", "bfloat16", "float16", "int64", "int32", "uint8", "bool"},
}


def write_tensors(tensors: Mapping[str, Tensor], directory: Path, group: dist.ProcessGroup | None) -> None:
    """Write the tensors of all ranks into an existing `directory`; all ranks call it together.

    Args:
        tensors: what this rank has: whole tensors that no other rank has, and its parts of those cut up.
        directory: the same on all ranks, on a file system that all of them see.
        group: of the ranks; None for one process.
    Raises:
        OSError: the disk of one of them refuses; all are told.
    """
    with _one_error():
        save(
            dict(tensors),
            storage_writer=_Writer(directory, thread_count=1, sync_files=False),
            process_group=group,
            no_dist=group is None,
        )


def read_tensors(tensors: dict[str, Tensor], directory: Path, *, alone: bool) -> None:
    """Fill `tensors` with what `directory` has under their names; all ranks call it together.

    Args:
        tensors: of the right shapes, whole or this rank's parts.
        directory: the checkpoint.
        alone: whether there is one process only.
    Raises:
        CheckpointError: the checkpoint has other tensors.
    """
    try:
        with _one_error():
            load(tensors, storage_reader=_Reader(directory), no_dist=alone)
    except (OSError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"cannot be read: {error}", where=str(directory)) from error


def stored_tensors(directory: Path) -> dict[str, TensorStorageMetadata]:
    """Sizes and formats of the tensors in a checkpoint, by name.

    Raises:
        CheckpointError: its table of contents is none of ours.
    """
    found = _Reader(directory).read_metadata().state_dict_metadata
    if not all(isinstance(entry, TensorStorageMetadata) for entry in found.values()):
        raise CheckpointError("holds something other than tensors, which is not read", where=str(directory))
    return {name: entry for name, entry in found.items() if isinstance(entry, TensorStorageMetadata)}


def tensor_files(directory: Path) -> list[str]:
    """Names of the files of a checkpoint that hold tensors, and of their table of contents."""
    return [*sorted(path.name for path in directory.iterdir() if path.suffix == _TENSORS), METADATA]


class _Writer(FileSystemWriter):
    """Fails with the operating system's error, and writes the same bytes for the same tensors."""

    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        try:
            return super().write_data(plan, planner)
        except RuntimeError as error:
            cause = error.__cause__ or error.__context__
            raise cause if isinstance(cause, OSError) else error from None

    def storage_meta(self) -> StorageMeta | None:
        return None  # a random number and the path on this machine


class _Reader(FileSystemReader):
    """Makes nothing but tables of contents out of the pickle."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        path = Path(self.path) / METADATA
        try:
            found = _Unpickler(io.BytesIO(path.read_bytes())).load()
        except (pickle.UnpicklingError, EOFError, OSError, AttributeError, IndexError, TypeError) as error:
            raise CheckpointError(f"not a checkpoint: {error}", where=str(path)) from None
        if not isinstance(found, Metadata):
            raise CheckpointError("not a checkpoint: no table of tensors", where=str(path))
        return found


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return _member
        if name not in _KNOWN.get(module, ()):
            raise pickle.UnpicklingError(f"it refers to {module}.{name}, which no checkpoint needs")
        return super().find_class(module, name)


def _member(kind: Any, name: Any) -> Any:
    """The member of an enumeration, which some Pythons (3.11.2 is one) pickle as `getattr(kind, name)`."""
    if not (isinstance(kind, EnumType) and isinstance(name, str) and name in kind.__members__):
        raise pickle.UnpicklingError(f"it takes {name!r} from {kind!r}, which no checkpoint needs")
    return kind[name]


@contextmanager
def _one_error() -> Iterator[None]:
    """Unpack what torch makes of the errors of ranks; quiet what it has to say about one process."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.distributed is disabled")
            yield
    except CheckpointException as error:
        causes = [cause for cause, _ in error.failures.values()]
        raise next((cause for cause in causes if isinstance(cause, OSError)), causes[0]) from error
