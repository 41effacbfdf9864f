"""Where a run's numbers go besides metrics.jsonl: one protocol, an adapter a file."""
