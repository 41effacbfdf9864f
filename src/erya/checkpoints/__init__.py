"""Model directories: Hugging Face's names and configuration on disk, ours in memory, both ways."""
