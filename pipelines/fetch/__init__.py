"""Downloads: the rules of requests that every download obeys, and the publishers' files brought into a raw folder.

Imports `datagen` and `pipelines.console`; knows no Beam.
"""
