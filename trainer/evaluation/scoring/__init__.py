"""From saved predictions to scores, comparisons, tables and submission files, without a model.

Imports `trainer.evaluation.metrics`, `trainer.evaluation.tasks` and `trainer.evaluation.predictions`; no model.
"""
