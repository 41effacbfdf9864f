"""Single-label classification of a text or a pair of texts, two classes or more."""
