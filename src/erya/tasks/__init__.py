"""One folder a task, whole: `task.py` (read, encode, decode, score; numpy) and `head.py` (torch)."""
