"""Weights of the miniature model that come with the package, checked by hash.

Imports `trainer.errors` only; `pipelines.nano` makes them.
"""
