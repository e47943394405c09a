"""Data: examples and records, and the pure functions from publishers' files to Parquet."""
