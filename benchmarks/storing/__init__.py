"""Builds and training reads in a bucket of a server on this machine, beside a local disk."""
