"""What annotators hand over: texts with entities, texts with labels, questions with answers."""
