"""Optimisers: AdamW, Muon with AdamW, LAMB."""
