"""Masking as data: which tokens to predict, and what the model sees in their place."""
