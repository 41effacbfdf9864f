"""How fast tokenizers are on a text, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence

from erya.tokenizer.coverage import chunks
from erya.tokenizer.wordpiece import Tokenizer


def measure_speeds(tokenizers: Sequence[Tokenizer], texts: Sequence[str], *, passes: int = 3) -> list[float]:
    """Tokenise `texts` with each tokenizer in turn, one thread.

    Args:
        tokenizers: taking turns, so that a busy machine is busy for all of them.
        texts: at least one of them not empty.
        passes: how often; the best counts, and one more before them warms up.
    Returns:
        Megabytes of UTF-8 a second, one figure a tokenizer.
    """
    parts = list(chunks(texts))
    best = [float("inf")] * len(tokenizers)
    for number in range(passes + 1):
        for place, tokenizer in enumerate(tokenizers):
            begin = time.perf_counter()
            for part in parts:
                tokenizer.flat_pieces(part, literals=False)
            if number:
                best[place] = min(best[place], time.perf_counter() - begin)
    megabytes = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6
    return [megabytes / seconds for seconds in best]
