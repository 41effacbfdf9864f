"""Filling masks: what a masked language model says stands at `[MASK]`. It is not fine-tuned for that."""
