"""Speed beside the peers. Run one with `python -m benchmarks.pretrain`."""
