"""The corpus report as one HTML page: what was read, what was dropped and why, what was written."""
