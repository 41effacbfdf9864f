"""Corpus: raw files to documents to shards, in constant memory and in order."""
