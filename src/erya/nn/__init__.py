"""Layers on packed batches. A layer knows no model; optional parts are passed in."""
