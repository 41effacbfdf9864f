"""One training loop for pre-training and fine-tuning; it knows protocols, never a model or a task."""
