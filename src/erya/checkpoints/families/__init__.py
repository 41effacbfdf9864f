"""One module a family: its options, its tensors' names and its heads as tables, both ways."""
