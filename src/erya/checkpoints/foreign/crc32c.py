"""The checksum of TensorFlow's files: CRC-32C, computed in many lanes at once with numpy.

A CRC without its two inversions is linear over GF(2): the CRC of two pieces is that of the first, advanced
by as many zero bytes as the second is long, xor that of the second. So a buffer is cut into equal lanes that
advance together, one array operation for all, and are then joined two by two.
"""

from __future__ import annotations

from functools import cache

import numpy as np

_POLYNOMIAL = 0x82F63B78  # Castagnoli's, its bits reversed
_ONES = 0xFFFFFFFF
_MASK_DELTA = 0xA282EAD8
_LANE_WORDS = 256  # of four bytes
_LANE_BYTES = 4 * _LANE_WORDS
# Lanes that advance together: their state and a column of words stay in the processor's cache.
_LANES_AT_ONCE = 4096
# Fewer than this are sooner done byte by byte.
_FEWEST_LANES = 4


def masked_crc32c(data: np.ndarray) -> int:
    """The checksum that TensorFlow stores: rotated and shifted, so that sums of sums are harmless.

    Args:
        data: the bytes, shape (N,), uint8, contiguous.
    Source: LevelDB, util/crc32c.h.
    """
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _ONES


def crc32c(data: np.ndarray) -> int:
    """CRC-32C of `data`.

    Args:
        data: the bytes, shape (N,), uint8, contiguous.
    Source: RFC 3720, section 12.1.
    """
    num_lanes = len(data) // _LANE_BYTES
    if num_lanes < _FEWEST_LANES:
        num_lanes = 0
    state = _ONES
    for start in range(0, num_lanes, _LANES_AT_ONCE):
        stop = min(start + _LANES_AT_ONCE, num_lanes)
        state = _advance_lanes(state, data[start * _LANE_BYTES : stop * _LANE_BYTES])
    table = _byte_table().tolist()
    for byte in data[num_lanes * _LANE_BYTES :].tolist():
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return int(state) ^ _ONES


def _advance_lanes(state: int, data: np.ndarray) -> int:
    """The state after whole lanes of bytes, from the state before them."""
    words = np.ascontiguousarray(data.view("<u4").reshape(-1, _LANE_WORDS).T, dtype=np.uint32)
    # Xor to the first word is what starting from this state means.
    words[0, 0] ^= np.uint32(state)
    lanes = np.zeros(words.shape[1], dtype=np.uint32)
    rest = np.empty_like(lanes)
    low, high = _half_tables()
    for column in words:
        np.bitwise_xor(lanes, column, out=lanes)
        at_low, at_high = (lanes & 0xFFFF).astype(np.intp), (lanes >> 16).astype(np.intp)
        low.take(at_low, out=lanes, mode="clip")  # "clip" spares the check: sixteen bits cannot be too large
        high.take(at_high, out=rest, mode="clip")
        np.bitwise_xor(lanes, rest, out=lanes)
    return _join(lanes.astype(np.int64))


def _join(lanes: np.ndarray) -> int:
    """One state from those of consecutive lanes."""
    level = 0
    while len(lanes) > 1:
        if len(lanes) % 2:
            lanes = np.concatenate([[0], lanes])  # zeros in front of everything change nothing
        lanes = _apply(_zeros(level), lanes[0::2]) ^ lanes[1::2]
        level += 1
    return int(lanes[0])


@cache
def _byte_table() -> np.ndarray:
    """What eight bits at the low end become after a byte, shape (256,)."""
    table = np.arange(256, dtype=np.int64)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ _POLYNOMIAL, table >> 1)
    return table


@cache
def _half_tables() -> tuple[np.ndarray, np.ndarray]:
    """What the low and the high sixteen bits of a state become after four bytes, shape (65536,), uint32."""
    halves = np.arange(1 << 16, dtype=np.int64)
    return _four_bytes(halves).astype(np.uint32), _four_bytes(halves << 16).astype(np.uint32)


def _four_bytes(states: np.ndarray) -> np.ndarray:
    table = _byte_table()
    for _ in range(4):
        states = table[states & 0xFF] ^ (states >> 8)
    return states


@cache
def _zeros(level: int) -> np.ndarray:
    """What each bit of a state becomes after 2**level lanes of zero bytes, shape (32,)."""
    if level:
        half = _zeros(level - 1)
        return _apply(half, half)
    columns = np.int64(1) << np.arange(32, dtype=np.int64)
    for _ in range(_LANE_WORDS):
        columns = _four_bytes(columns)
    return columns


def _apply(operator: np.ndarray, states: np.ndarray) -> np.ndarray:
    """A linear map, given by what it makes of each bit, of many states."""
    result = np.zeros_like(states)
    for bit, column in enumerate(operator):
        result ^= np.where(states >> bit & 1, column, 0)
    return result
