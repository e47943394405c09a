"""Contestants of `benchmarks.captions`: caption metrics."""
