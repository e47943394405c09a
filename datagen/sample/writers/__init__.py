"""One writer a raw folder: the publisher's files for drawn scenes; `write.py` loads them by name."""
