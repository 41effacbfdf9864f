"""What pre-training teaches: one module a kind of objective, one shape for all."""
