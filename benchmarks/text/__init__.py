"""Contestants that build the text-only split."""
