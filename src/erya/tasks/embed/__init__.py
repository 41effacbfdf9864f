"""Texts as vectors: trained so that what means the same lies close together, scored, searched."""
