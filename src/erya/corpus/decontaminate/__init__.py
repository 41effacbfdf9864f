"""Texts that models are scored on, and the documents of a corpus that hold them."""
