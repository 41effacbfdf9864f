"""Text to ids with exact places in the text, and vocabularies to do it with."""
