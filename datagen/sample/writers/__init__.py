"""One writer a source: the publisher's files for drawn scenes. The table is in `write.py`."""
