"""TensorFlow indexes written by hand, for what TensorFlow's own do not show."""

import struct
from pathlib import Path

import numpy as np

from erya.checkpoints.foreign.crc32c import masked_crc32c

DATA = Path(__file__).parents[2] / "data" / "foreign"


def varint(value):
    parts = []
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def field(number, value):
    """A field of a message: a number, or bytes. Checksums, the sixth, are written at full width."""
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    if number == 6:
        return varint(number << 3 | 5) + struct.pack("<I", value)
    return varint(number << 3) + varint(value)


def message(values):
    return b"".join(field(number, value) for number, value in values.items())


def shape(*sizes):
    return b"".join(field(2, field(1, size)) for size in sizes)


def entry(array, *, dtype, offset, **more):
    """A tensor's entry; `more` overrides fields, by `field_3=...`."""
    data = np.frombuffer(array.tobytes(), np.uint8)
    values = {1: dtype, 2: shape(*array.shape), 4: offset, 5: len(data), 6: masked_crc32c(data)}
    return message(values | {int(name.removeprefix("field_")): value for name, value in more.items()})


def block(entries, *, compression=0):
    """A block whose keys share beginnings with those before them, and its trailer."""
    body, last = b"", b""
    for key, value in entries:
        shared = 0
        while shared < min(len(last), len(key)) and last[shared] == key[shared]:
            shared += 1
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    body += struct.pack("<II", 0, 1) + bytes([compression])
    return body + struct.pack("<I", masked_crc32c(np.frombuffer(body, np.uint8)))


def write_table(path, entries, *, compression=0):
    """A table of two blocks of entries, as LevelDB lays it out."""
    items = sorted(entries.items())
    middle = len(items) // 2 + 1
    table, handles = b"", []
    for part in (items[:middle], items[middle:]):
        if part:
            written = block(part, compression=compression)
            handles.append((part[-1][0], varint(len(table)) + varint(len(written) - 5)))
            table += written
    meta = varint(len(table)) + varint(8)
    table += block([])
    index = block(handles)
    footer = meta + varint(len(table)) + varint(len(index) - 5)
    path.write_bytes(table + index + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))


def write_bundle(folder, entries, data, *, header=None, name="model.ckpt"):
    """A checkpoint of one data file; returns its prefix."""
    (folder / f"{name}.data-00000-of-00001").write_bytes(data)
    write_table(folder / f"{name}.index", {b"": header or message({1: 1}), **entries})
    return folder / name
