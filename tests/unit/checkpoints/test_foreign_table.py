"""The index of a TensorFlow checkpoint: checksums, the wire format, LevelDB's tables."""

import shutil

import numpy as np
import pytest
from foreign_bundles import DATA, write_table

from erya.checkpoints.foreign.crc32c import crc32c, masked_crc32c
from erya.checkpoints.foreign.protobuf import fields, read_varint
from erya.checkpoints.foreign.sstable import is_table, read_table
from erya.errors import CheckpointError


def bit_by_bit(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def test_checksums_of_the_standard():
    # RFC 3720, B.4, and the usual check of a CRC.
    assert crc32c(np.zeros(32, np.uint8)) == 0x8A9136AA
    assert crc32c(np.full(32, 255, np.uint8)) == 0x62A8AB43
    assert crc32c(np.arange(32, dtype=np.uint8)) == 0x46DD794E
    assert crc32c(np.frombuffer(b"123456789", np.uint8)) == 0xE3069283
    assert crc32c(np.zeros(0, np.uint8)) == 0


@pytest.mark.parametrize("size", [1, 1023, 4095, 4096, 4097, 5120, 7 * 1024 + 3, 16 * 1024 + 1])
def test_lanes_equal_bit_by_bit(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)
    assert crc32c(data) == bit_by_bit(data.tolist())


def test_pieces_beyond_the_lanes_at_once_are_joined(monkeypatch):
    monkeypatch.setattr("erya.checkpoints.foreign.crc32c._LANES_AT_ONCE", 5)
    data = np.random.default_rng(0).integers(0, 256, 13 * 1024 + 7, dtype=np.uint8)
    assert crc32c(data) == bit_by_bit(data.tolist())


def test_the_mask_is_leveldbs():
    # The checksum 0xE3069283, rotated by fifteen bits, and shifted.
    data = np.frombuffer(b"123456789", np.uint8)
    assert masked_crc32c(data) == (0x2507C60D + 0xA282EAD8) % 2**32


def test_numbers_and_fields():
    assert read_varint(b"\xff\x96\x01\x07", 1) == (150, 3)
    # 1: 150; 2: "ab"; 3: four bytes; 4: eight bytes
    wire = b"\x08\x96\x01" + b"\x12\x02ab" + b"\x1d\x01\x00\x00\x00" + b"\x21\x02" + b"\x00" * 7
    assert list(fields(wire)) == [(1, 150), (2, b"ab"), (3, 1), (4, 2)]


@pytest.mark.parametrize("wire", [b"\x08\x96", b"\x12\x05ab", b"\x1d\x01", b"\x0b", b"\x08" + b"\x80" * 11])
def test_damaged_messages(wire):
    with pytest.raises(ValueError):
        list(fields(wire))


def test_keys_that_share_beginnings(tmp_path):
    entries = {f"bert/encoder/layer_{i}/kernel".encode(): bytes([i]) * i for i in range(40)}
    write_table(tmp_path / "table", entries)
    assert is_table(tmp_path / "table")
    assert read_table(tmp_path / "table") == entries


def test_a_compressed_block_is_named(tmp_path):
    write_table(tmp_path / "table", {b"a": b"b"}, compression=1)
    with pytest.raises(CheckpointError, match=r"block at byte 0 is compressed \(snappy\)"):
        read_table(tmp_path / "table")


@pytest.fixture
def index(tmp_path):
    """The index of a real checkpoint, to be damaged."""
    return shutil.copy(DATA / "bert" / "bert_model.ckpt.index", tmp_path / "model.index")


def test_a_footer_that_is_cut_off(index):
    index.write_bytes(index.read_bytes()[:20])
    with pytest.raises(CheckpointError, match="it has 20 bytes, its footer alone has 48"):
        read_table(index)


def test_an_index_that_is_cut_short(index):
    data = index.read_bytes()[:-100]
    index.write_bytes(data)
    assert not is_table(index)
    with pytest.raises(CheckpointError, match=f"wrong magic number at byte {len(data) - 8}"):
        read_table(index)


def test_bytes_missing_in_the_middle(index):
    data = index.read_bytes()
    index.write_bytes(data[-200:])
    with pytest.raises(
        CheckpointError, match=r"damaged at byte \d+: a block of \d+ bytes reaches past the end"
    ):
        read_table(index)


@pytest.mark.parametrize("byte", [0, 900])
def test_a_flipped_bit(index, byte):
    data = bytearray(index.read_bytes())
    data[byte] ^= 4
    index.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged at byte 0: the checksum of a block"):
        read_table(index)
