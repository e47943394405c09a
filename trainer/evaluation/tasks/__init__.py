"""The tasks of an evaluation: protocols, splits, records, and the paper's numbers.

Imports `trainer.data`; no model.
"""
