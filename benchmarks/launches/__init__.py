"""Whole runs of the trainer, started as a user starts them, and its checkpoints."""
