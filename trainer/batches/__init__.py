"""Samples to tokens, labels and batches, and the loader that prepares them ahead of the model.

Imports `trainer.data` and `trainer.model`.
"""
