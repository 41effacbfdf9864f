"""Scoring a model on a data file, and the report a person reads."""
