"""Who writes pictures into Parquet."""
