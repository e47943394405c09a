"""The report of an evaluation: the table on the terminal and `report.html`.

Imports `trainer.evaluation.scoring` and what that imports; no model.
"""
