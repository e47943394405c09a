"""Contestants of `benchmarks.stream`."""
