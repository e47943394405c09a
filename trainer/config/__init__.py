"""The configuration of a run: its sections, loading with overrides, shipped files.

Imports `trainer.errors` and `datagen.mixture`.
"""
