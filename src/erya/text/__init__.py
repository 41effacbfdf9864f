"""Text: cleaning, scripts, sentences and words. Pure functions from str to str and spans."""
