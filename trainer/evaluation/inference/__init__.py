"""From records to predictions: requests, prompts, generation and ranking, in batches.

Imports `trainer.evaluation.tasks`, `trainer.evaluation.metrics` and `trainer.evaluation.predictions`, the model and its batches.
"""
