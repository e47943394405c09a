"""Images and videos: where they are, whether they can be used, their pixels and frames.

Imports `datagen.files` and `datagen.errors`; knows no source and no build.
"""
