"""The first files of a new source.

Imports `datagen.schema` and `templates`.
"""
