"""What an example and a record are, and the pure steps from the publishers' files to Parquet."""
