"""Cross-validation: every example is held out once, and the models together are an ensemble."""
