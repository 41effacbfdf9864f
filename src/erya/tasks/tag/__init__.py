"""Finding spans in texts and saying what they are: entities, words, parts of speech."""
