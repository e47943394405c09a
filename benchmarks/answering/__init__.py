"""Contestants of `benchmarks.answers`: ways to generate and to rank answers."""
