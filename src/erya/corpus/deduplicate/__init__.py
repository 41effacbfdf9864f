"""Duplicates: whole documents that are the same or nearly so, and lines that many documents share."""

from erya.corpus.deduplicate.seen import SeenFingerprints, fingerprint

__all__ = ["SeenFingerprints", "fingerprint"]
