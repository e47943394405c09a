"""Contestants of the estimate of a build: the estimate, and the build itself."""
