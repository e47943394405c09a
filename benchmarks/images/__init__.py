"""Who writes images into Parquet."""
