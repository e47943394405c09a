"""Metrics, exact to the official scripts.

Imports `trainer.evaluation.predictions` only.
"""
