"""Metrics, exact to the official scripts.

Imports `trainer.evaluation.predictions`, and of other packages `datagen.errors` and `templates.blank`.
"""
