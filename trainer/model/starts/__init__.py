"""Starts of a model: configuration, tokenizers and weights, one module for each kind of start.

Imports `trainer.config` and `trainer.model`; `build`, `architecture` and `tokenizers` are what others use.
"""
