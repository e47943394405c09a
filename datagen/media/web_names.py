"""The place of an image of the web, which follows from its URL alone.

So a list of URLs needs no list of files beside it, and two lists share what they have in common.
"""

import hashlib

HASH_DIGITS = 32
"""128 bits, so that no two of millions share a name."""


def url_hash(url: str) -> str:
    """Return the name of the image at a URL: the first 32 hexadecimal digits of its SHA-256.

    The URL counts as its row gives it, in UTF-8.
    """
    return hashlib.sha256(url.encode()).hexdigest()[:HASH_DIGITS]


def hashed_path(name: str) -> str:
    """Return the path of an image below its folder: one of 256 folders, and `.jpg` whatever its format.

    Examples:
        >>> hashed_path(url_hash("https://example.org/a.jpg"))
        '70/700caca5ae8f856fc70b39312664d5c9.jpg'
    """
    return f"{name[:2]}/{name}.jpg"
