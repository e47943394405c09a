"""Rows, images and texts of samples, read from shards and caches.

Imports `trainer.data.order` and `trainer.config`.
"""
