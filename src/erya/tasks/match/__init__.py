"""Pairs scored by a network that sees both texts at once: classes, a number, or the order of candidates."""
