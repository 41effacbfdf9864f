"""A folder of texts that can be asked: passages, their vectors in a file, exact search."""
