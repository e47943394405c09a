"""Which sets an evaluation runs on: protocols, splits, records, and the paper's numbers.

Imports `trainer.data`; no model.
"""
