"""Checks and measurements for a machine with a GPU, in one command: `python -m benchmarks.gpu`.

Imports `benchmarks.step` and `benchmarks.answering`, which make models and batches.
"""
