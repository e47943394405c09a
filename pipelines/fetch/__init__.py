"""Requests over HTTP: the rules that every download obeys.

Imports `datagen.errors`; knows no source and no Beam.
"""
