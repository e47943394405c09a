"""Contestants that read a large JSON document."""
