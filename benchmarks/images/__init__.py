"""Contestants that write images into Parquet."""
