"""Reading the words in images, as a Beam pipeline.

Imports `pipelines.build` for engines and progress; only `reader` knows the library.
"""
