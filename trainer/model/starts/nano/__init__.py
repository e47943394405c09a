"""The miniature model's files that come with the package, and the start from them.

Imports `trainer.errors`, `trainer.config` and modules of `trainer.model`; `pipelines.nano` makes the files.
"""
