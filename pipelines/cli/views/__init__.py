"""Tables, records and template findings, as commands print them.

Imports `datagen`, `templates` and `trainer`; no Beam.
"""
