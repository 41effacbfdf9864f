"""The formats: records, documents, shards, features, packed batches, and the plan of an epoch."""
