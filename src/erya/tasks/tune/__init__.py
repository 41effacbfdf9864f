"""Searching recipe keys by many runs: what is tried, the study on the disk, the page."""
