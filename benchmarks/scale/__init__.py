"""Contestants that build a large split."""
