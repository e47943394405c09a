"""Shipped configurations: one YAML file a run, and DeepSpeed's own options as JSON."""
