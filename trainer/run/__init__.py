"""A training run: session, loop, engine, checkpoint, schedule, validation and metrics log.

Imports everything of `trainer` but `trainer.evaluation`; `engine.py` alone imports DeepSpeed.
"""
