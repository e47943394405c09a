"""What a model starts from: its configuration, tokenizers and weights, by kind of start.

Imports `trainer.model`, `trainer.config` and `trainer.nano`.
"""
