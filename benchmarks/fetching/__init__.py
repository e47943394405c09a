"""Contestants that download the images of a list, and the server that they ask.

Imported by `benchmarks.fetch_images`.
"""
