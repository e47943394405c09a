"""Contestants that write image files into the format of a training library. Each runs in an environment of its own."""
