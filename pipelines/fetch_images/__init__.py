"""Downloads of the images of a list of URLs, as a Beam pipeline.

Imports `pipelines.fetch` for requests and `pipelines.build` for engines; knows no source.
"""
