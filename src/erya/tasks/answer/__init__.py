"""Answers cut from a context: extractive reading comprehension."""
