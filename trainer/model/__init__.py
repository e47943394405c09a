"""InstructBLIP as it is trained: forward, trained parameters, features, export.

Imports `trainer.config` and `trainer.data.order`; what a model starts from is in `starts`.
"""
