"""Contestants that build the same rows by a built-in adapter and by a source file."""
