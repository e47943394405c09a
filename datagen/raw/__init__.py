"""Rows out of publishers' files: JSON documents, lines, CSV, many small files, joins by key.

Imports `datagen.schema` and the files beside it; knows no source.
"""
