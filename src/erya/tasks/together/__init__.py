"""Several tasks trained on one encoder, each with a head of its own."""
