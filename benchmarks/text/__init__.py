"""Who builds the text-only split."""
