"""Cases whose scores the official scripts computed, compared with our metrics.

Imports `trainer.evaluation.metrics` and `trainer.evaluation.predictions` only.
"""
