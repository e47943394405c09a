"""Contestants that download files from a server of this machine, and the server."""
