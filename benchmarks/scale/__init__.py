"""Who builds a large split."""
