"""Beam pipelines and the command line: the only place that imports Beam."""
