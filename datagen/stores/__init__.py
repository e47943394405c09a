"""Files wherever they are: local disks directly, buckets and the Hub through fsspec, and locks on objects.

Imports `datagen.files` and `datagen.errors`; knows neither datasets nor builds.
"""
