"""Predictions and the JSON files of an evaluation: written whole, kept through a kill.

Imports nothing else of `trainer.evaluation`.
"""
