"""Encoders with a head for a task: one class each."""
