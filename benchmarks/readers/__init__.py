"""Who reads a large JSON document."""
