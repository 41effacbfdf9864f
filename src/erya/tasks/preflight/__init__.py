"""Data checked before hours are spent on training: what is wrong, in which lines, and what to do about it."""
