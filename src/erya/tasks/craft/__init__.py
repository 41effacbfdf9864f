"""Training craft: what may be switched on for any task when labelled texts are few."""
