"""What commands print: tables, records, template findings.

Imports `datagen`, `templates` and `trainer`; no Beam.
"""
