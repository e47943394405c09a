"""Sample k of a run: its order, its rows, images and texts.

Imports `trainer.config` and finished records of `datagen`; no model.
"""
