"""Named hardware: what a run would take on machines that are not here."""

from __future__ import annotations

from dataclasses import dataclass

from erya.errors import ConfigError, nearest_hint

_DATASHEET = "dense bfloat16 of the data sheet"
_ASSUMED = "assumed: what a well-fed run of this kind should reach"


@dataclass(frozen=True, slots=True)
class Hardware:
    """A machine.

    Attributes:
        name: what people call it.
        peak_flops: operations a second in bfloat16 matrix products, all devices together.
        utilisation: share of that which training is thought to reach, in (0, 1].
        memory_bytes: of one device.
        num_devices: devices that share a batch.
        peak_source: where the peak is from.
        utilisation_source: where the share is from.
    """

    name: str
    peak_flops: float
    utilisation: float
    memory_bytes: float
    num_devices: int
    peak_source: str
    utilisation_source: str


HARDWARE: dict[str, Hardware] = {
    "h100": Hardware("H100 SXM", 989e12, 0.45, 80e9, 1, f"NVIDIA H100, {_DATASHEET}", _ASSUMED),
    "h200": Hardware("H200 SXM", 989e12, 0.45, 141e9, 1, f"NVIDIA H200, {_DATASHEET}", _ASSUMED),
    "a100": Hardware("A100 SXM 80 GB", 312e12, 0.45, 80e9, 1, f"NVIDIA A100, {_DATASHEET}", _ASSUMED),
    "rtx4090": Hardware(
        "RTX 4090",
        165.2e12,
        0.45,
        24e9,
        1,
        "NVIDIA Ada whitepaper, appendix A: bfloat16 with float32 sums",
        _ASSUMED,
    ),
    "8xh100": Hardware(
        "8 x H100 SXM", 8 * 989e12, 0.42, 80e9, 8, f"NVIDIA H100, {_DATASHEET}", f"{_ASSUMED}, less exchange"
    ),
    "zen4-2": Hardware(
        "2 cores Zen 4",
        0.43e12,
        0.6,
        16e9,
        1,
        "measured: a matrix product of 1,024 x 1,024",
        "measured: 6 x 384 and 12 x 768 with dropout reach 0.59 and 0.69",
    ),
}


def hardware_called(name: str) -> Hardware:
    """The machine with this name, however its letters are written.

    Raises:
        ConfigError: it is not in the table; names the nearest.
    """
    found = HARDWARE.get(name.lower().replace(" ", ""))
    if found is None:
        raise ConfigError(f"no figures for the hardware {name!r}", hint=nearest_hint(name.lower(), HARDWARE))
    return found
