"""Duplicates: whole documents that are the same or nearly so, and lines that many documents share."""
