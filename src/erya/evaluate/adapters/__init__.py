"""One adapter a task: from its examples and predictions to the neutral record the report reads."""
