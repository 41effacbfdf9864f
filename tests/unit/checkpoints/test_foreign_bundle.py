"""Tensors of a TensorFlow checkpoint: number formats, data files, damage."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
from foreign_bundles import DATA, entry, message, write_bundle, write_table

from erya.checkpoints.foreign.google_tf import TensorFlowCheckpoint
from erya.errors import CheckpointError

VALUES = np.array([[1.5, -2.25], [3.0, 0.125]])


def test_number_formats_over_two_data_files():
    checkpoint = TensorFlowCheckpoint(DATA / "formats" / "two.ckpt")
    assert len(checkpoint.files) == 2
    formats = {"half": "f2", "brain": "f4", "single": "f4", "small": "i4", "large": "i8"}
    assert checkpoint.shapes == dict.fromkeys((f"of/{name}" for name in formats), (2, 2))
    for name, dtype in formats.items():
        array = checkpoint[f"of/{name}"]
        assert array.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(array, VALUES.astype(dtype) if "i" in dtype else VALUES)


def test_scalars_and_big_endian(tmp_path):
    step, kernel = np.array(7, ">i8"), VALUES.astype(">f4")
    entries = {
        b"a/kernel": entry(kernel, dtype=1, offset=8),
        b"step": entry(step, dtype=9, offset=0),
    }
    data = step.tobytes() + kernel.tobytes()
    checkpoint = TensorFlowCheckpoint(write_bundle(tmp_path, entries, data, header=message({1: 1, 2: 1})))
    assert checkpoint["step"] == 7 and checkpoint["step"].shape == ()
    np.testing.assert_array_equal(checkpoint["a/kernel"], VALUES)
    assert checkpoint["a/kernel"].dtype.isnative


@pytest.fixture
def prefix(tmp_path):
    """A real checkpoint, to be damaged."""
    for path in (DATA / "bert").glob("bert_model*"):
        shutil.copy(path, tmp_path)
    return tmp_path / "bert_model.ckpt"


def data_file(prefix):
    return prefix.with_name(prefix.name + ".data-00000-of-00001")


def test_a_missing_data_file(prefix):
    data_file(prefix).unlink()
    with pytest.raises(CheckpointError, match=r"data file bert_model\.ckpt\.data-00000-of-00001 is"):
        TensorFlowCheckpoint(prefix)


def test_a_missing_index(prefix):
    prefix.with_name(prefix.name + ".index").unlink()
    with pytest.raises(CheckpointError, match=r"index bert_model\.ckpt\.index is missing"):
        TensorFlowCheckpoint(prefix)


def test_a_data_file_that_is_cut_short(prefix):
    path = data_file(prefix)
    whole = TensorFlowCheckpoint(prefix)
    last = "global_step"  # the last name lies at the end
    size = path.stat().st_size
    assert whole[last] == 7
    path.write_bytes(path.read_bytes()[:-3])
    found = rf"it has {size - 3} bytes, but {last} lies in bytes {size - 8} to {size}"
    with pytest.raises(CheckpointError, match=found) as error:
        TensorFlowCheckpoint(prefix)
    assert error.value.where == str(path)


def test_a_flipped_bit_is_found_when_the_tensor_is_read(prefix):
    data = bytearray(data_file(prefix).read_bytes())
    data[-1] ^= 1
    data_file(prefix).write_bytes(data)
    checkpoint = TensorFlowCheckpoint(prefix)
    assert "global_step" in checkpoint  # which reads nothing
    for name in checkpoint:
        if name != "global_step":
            checkpoint[name]
    with pytest.raises(CheckpointError, match=r"checksum of global_step is wrong: bytes \d+ to \d+"):
        checkpoint["global_step"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"field_7": b""}, "stored in pieces"),
        ({"field_1": 23}, "number format 23"),
        ({"field_2": message({2: message({1: 3})})}, "takes 12 bytes, but 16 are stored"),
    ],
)
def test_tensors_that_cannot_be_read(more, problem, tmp_path):
    kernel = VALUES.astype("<f4")
    prefix = write_bundle(tmp_path, {b"a": entry(kernel, dtype=1, offset=0, **more)}, kernel.tobytes())
    with pytest.raises(CheckpointError, match=problem):
        TensorFlowCheckpoint(prefix)["a"]


def test_an_entry_of_a_data_file_that_is_not_counted(tmp_path):
    kernel = VALUES.astype("<f4")
    prefix = write_bundle(tmp_path, {b"a": entry(kernel, dtype=1, offset=0, field_3=4)}, kernel.tobytes())
    with pytest.raises(CheckpointError, match="a is in data file 4, of 1"):
        TensorFlowCheckpoint(prefix)


def test_a_table_that_is_no_checkpoint(tmp_path):
    write_table(tmp_path / "model.ckpt.index", {b"a": b"b"})
    with pytest.raises(CheckpointError, match="no header"):
        TensorFlowCheckpoint(tmp_path / "model.ckpt")


def test_reading_imports_no_torch():
    code = f"""
import sys
sys.modules["torch"] = sys.modules["tensorflow"] = sys.modules["h5py"] = None
from erya.checkpoints.foreign.opening import open_foreign
checkpoint = open_foreign({str(DATA / "bert")!r})
print(sum(array.size for array in checkpoint.tensors.values()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    shapes = TensorFlowCheckpoint(DATA / "bert" / "bert_model.ckpt").shapes
    trained = {name: shape for name, shape in shapes.items() if "adam" not in name and name != "global_step"}
    assert int(done.stdout) == sum(int(np.prod(shape)) for shape in trained.values())
