"""Contestants that make an optimizer step, and its models and batches."""
