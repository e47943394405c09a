"""Estimates of a build before it is made.

A slice of the user's own rows is really staged and written, and the rest is extrapolated from its cost; with workers,
ranges and shards are scheduled by simulation.
"""
