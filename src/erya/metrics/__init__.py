"""Scores of predictions against the truth; numpy only."""
