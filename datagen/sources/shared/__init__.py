"""Code that several sources have in common.

Imports `datagen.schema` and `datagen.raw`; no source.
"""
