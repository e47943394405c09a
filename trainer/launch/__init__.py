"""The processes of a launch: they join, watch each other and stop together.

Imports `trainer.errors` only; the engine is passed in by who starts a process.
"""
