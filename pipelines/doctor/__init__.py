"""Checks before a long job: files, images, disk, memory, packages, stores.

Imports `pipelines.build` for options and estimates; writes nothing but temporary files.
"""
