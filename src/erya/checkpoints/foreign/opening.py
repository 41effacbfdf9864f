"""The one door: whatever a path is, the weights behind it under Hugging Face's names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from erya.checkpoints.foreign.bert4keras import HDF5_MAGIC, open_bert4keras
from erya.checkpoints.foreign.checkpoint import ForeignCheckpoint
from erya.checkpoints.foreign.google_tf import INDEX_SUFFIX
from erya.checkpoints.foreign.names_tf import Part
from erya.checkpoints.foreign.sstable import is_table
from erya.checkpoints.foreign.tensorflow import open_tensorflow
from erya.checkpoints.foreign.uer import is_uer, open_uer, read_pickle
from erya.errors import CheckpointError

Format = Literal["tensorflow", "uer", "bert4keras"]

_TENSORFLOW_ENDINGS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_STATE = "checkpoint"  # where TensorFlow notes which checkpoint is the newest
# Files of a folder that may be weights; UER-py adds the step. A `.ckpt` is TensorFlow's old format.
_WEIGHTS = re.compile(r"\.(h5|hdf5|weights|bin|pt|pth|ckpt)(-\d+)?$")
_PICKLES = (b"PK\x03\x04", b"\x80\x02")
_SAFETENSORS = ("model.safetensors", "model.safetensors.index.json")
_HUGGING_FACE_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
# What people also pass, by the first bytes of the file.
_OTHER_FILES = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer: the weights themselves were never fetched",
        "run git lfs pull",
    ),
    (b"\x1f\x8b", "an archive (gzip)", "unpack it and pass the folder"),
    (b"Rar!", "an archive (rar)", "unpack it and pass the folder"),
    (b"7z\xbc\xaf", "an archive (7z)", "unpack it and pass the folder"),
    (b"GGUF", "a GGUF file, quantised for other programs", "get the weights it was made from"),
    (b"<", "a web page, as a failed download leaves one", "fetch the file again"),
)
_OTHER_FOLDERS = (
    (
        "saved_model.pb",
        "a TensorFlow SavedModel",
        "get the checkpoint it was made from (variables/ is not enough)",
    ),
    ("model_state.pdparams", "weights of PaddlePaddle", "convert them to a Hugging Face directory first"),
    ("flax_model.msgpack", "weights of Flax", "convert them with transformers first"),
)


def open_foreign(path: str | Path, *, part: Part | None = None) -> ForeignCheckpoint:
    """Open weights of TensorFlow, UER-py, TencentPretrain or bert4keras; nothing but the index is read yet.

    Args:
        path: a folder, a file, or what the names of a TensorFlow checkpoint's files begin with
            (`.../bert_model.ckpt`).
        part: which of ELECTRA's two encoders; None: the discriminator, if it is there.
    Raises:
        CheckpointError: nothing is there, it is damaged, or it is of another format, which the message names.
        MissingExtraError: a package that reads this format is not installed.
    """
    place = find_foreign(path)
    if place is None:
        raise CheckpointError(_complaint(Path(path)), where=str(path), hint=_advice(Path(path)))
    found, file = place
    if part is not None and found != "tensorflow":
        raise CheckpointError(
            f"there is no {part} to choose: only ELECTRA's TensorFlow checkpoints hold two", where=str(file)
        )
    if found == "tensorflow":
        return open_tensorflow(file, part=part)
    return open_uer(file) if found == "uer" else open_bert4keras(file)


def find_foreign(path: str | Path) -> tuple[Format, Path] | None:
    """The foreign weights that a path means.

    Returns:
        Their format, and the file or, of TensorFlow, what the names of the files begin with; None where there
        are none. A Hugging Face directory is not foreign.
    Raises:
        CheckpointError: a folder has several, or a file is TensorFlow's old format.
    """
    path = Path(path)
    if path.is_dir():
        return _find_in_folder(path)
    prefix = path.with_name(_TENSORFLOW_ENDINGS.sub("", path.name))
    if prefix.with_name(prefix.name + INDEX_SUFFIX).is_file() or _TENSORFLOW_ENDINGS.search(path.name):
        return "tensorflow", prefix
    return _find_by_content(path) if path.is_file() else None


def _find_in_folder(folder: Path) -> tuple[Format, Path] | None:
    if _is_hugging_face(folder):
        return None
    found: list[tuple[Format, Path]] = [("tensorflow", prefix) for prefix in _prefixes(folder)]
    for path in sorted(folder.iterdir()):
        if path.is_file() and _WEIGHTS.search(path.name) and (place := _find_by_content(path)):
            found.append(place)
    if len(found) > 1:
        raise CheckpointError(
            "there are several checkpoints: " + ", ".join(place.name for _, place in found),
            where=str(folder),
            hint="pass the path of one of them",
        )
    return found[0] if found else None


def _is_hugging_face(folder: Path) -> bool:
    """Whether a folder has Hugging Face's files. A `pytorch_model.bin` alone may be UER-py's."""
    names = (*_SAFETENSORS, *(_HUGGING_FACE_PICKLES if (folder / "config.json").is_file() else ()))
    return any((folder / name).is_file() for name in names)


def _prefixes(folder: Path) -> list[Path]:
    """The TensorFlow checkpoints of a folder; of several the one that TensorFlow noted as the newest."""
    prefixes = [
        index.with_name(index.stem)
        for index in sorted(folder.glob("*" + INDEX_SUFFIX))
        # Other programs have indexes too; a damaged one of TensorFlow's is known by its data.
        if is_table(index) or next(folder.glob(index.stem + ".data-*-of-*"), None)
    ]
    state = folder / _STATE
    if len(prefixes) > 1 and state.is_file():
        noted = re.search(
            r'^model_checkpoint_path: "(?:.*/)?(.+)"', state.read_text("utf-8", "replace"), re.M
        )
        newest = [prefix for prefix in prefixes if noted and prefix.name == noted[1]]
        return newest or prefixes
    return prefixes


def _find_by_content(path: Path) -> tuple[Format, Path] | None:
    with path.open("rb") as file:
        start = file.read(8)
    if start == HDF5_MAGIC:
        return "bert4keras", path
    if is_table(path):
        raise CheckpointError(
            "this is a TensorFlow checkpoint of the old format (V1, a single file), which is not read",
            where=str(path),
            hint="load it in TensorFlow and save it with tf.train.Saver(write_version=tf.train.SaverDef.V2)",
        )
    return ("uer", path) if start.startswith(_PICKLES) and is_uer(read_pickle(path)) else None


def _complaint(path: Path) -> str:
    """What a path is that holds no foreign weights."""
    if not path.exists():
        return "there is no such file, and no TensorFlow checkpoint whose files begin so"
    if path.is_dir():
        if next(path.glob("*.data-*-of-*"), None):
            return "the folder has data files of a TensorFlow checkpoint, but not their index"
        other = next((what for name, what, _ in _OTHER_FOLDERS if (path / name).exists()), None)
        if other is None and _is_hugging_face(path):
            other = "a Hugging Face directory, which needs no conversion"
        return f"the folder is {other}" if other else "the folder holds no weights that are read here"
    other = next((what for start, what, _ in _OTHER_FILES if _starts(path, start)), None)
    return (
        f"the file is {other}" if other else "the file holds no weights of TensorFlow, UER-py or bert4keras"
    )


def _advice(path: Path) -> str:
    if path.is_dir():
        known = [advice for name, _, advice in _OTHER_FOLDERS if (path / name).exists()]
    elif path.is_file():
        known = [advice for start, _, advice in _OTHER_FILES if _starts(path, start)]
    else:
        known = []
    return (
        known[0] if known else "pass bert_model.ckpt, a .bin of UER-py, or an .h5 or .weights of bert4keras"
    )


def _starts(path: Path, beginning: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(beginning)) == beginning
