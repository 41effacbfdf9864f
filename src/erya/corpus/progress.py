"""How far the phases of a cleaning job are, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable

from erya.corpus.summaries import BlockSummary, VolumeSummary

# Told the phase, what is done of it, what there is in all, and the bytes of raw text done.
OnProgress = Callable[[str, int, int, int], None]
# Of Chinese text a character is three bytes: near enough for a rate to look at.
_BYTES_A_CHARACTER = 3


class Progress:
    """How far one phase is. It never goes back: every unit adds what it has done.

    Args:
        phase: its name.
        total: what there is to do: bytes to read as they are stored, or characters to write.
        tell: is told after each unit.
    """

    def __init__(self, phase: str, total: int, tell: OnProgress) -> None:
        self._phase, self._total, self._tell = phase, total, tell
        self._done = self._raw_bytes = 0

    def block(self, summary: BlockSummary) -> None:
        """A unit of blocks was read."""
        self._add(summary.stored_bytes, summary.raw_bytes)

    def volume(self, summary: VolumeSummary) -> None:
        """A volume was written."""
        self._add(summary.characters_read, _BYTES_A_CHARACTER * summary.characters_read)

    def _add(self, done: int, raw_bytes: int) -> None:
        self._done += done
        self._raw_bytes += raw_bytes
        self._tell(self._phase, self._done, self._total, self._raw_bytes)
