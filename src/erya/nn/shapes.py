"""Few distinct shapes for a machine that compiles a kernel for each.

oneDNN, which computes bfloat16 products on a CPU, makes and caches a kernel for every shape it meets. Packed
batches have another number of tokens at every step: left alone they fill the cache, a gigabyte of it, and
spend up to half of a small model's time on making kernels. Rounding sizes up to a few steps an octave costs a
few idle rows.
"""

from __future__ import annotations


def rounded_up(size: int, *, steps_per_octave: int, least: int = 8) -> int:
    """The next size at or above `size` of a ladder with `steps_per_octave` rungs between powers of two.

    Args:
        size: at least 1.
        steps_per_octave: a power of two; the waste is below one part in so many.
        least: rungs are multiples of this.
    """
    octave = size.bit_length() - 1
    step = max(least, (1 << octave) // steps_per_octave)
    return -(-size // step) * step
