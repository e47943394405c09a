"""Readers of users' files: one module a format, each a stream of rows with their places.

Nothing here knows what a row means. May import `raw`, `files` and `errors` of `datagen`.
"""
