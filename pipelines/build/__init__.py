"""The Beam pipeline of a build, from raw files to a published dataset.

Imports `datagen.build`; the only folder that imports Beam.
"""
