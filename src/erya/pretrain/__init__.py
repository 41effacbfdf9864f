"""Pre-training: shards in, a model directory out."""
