"""Images as base64 text in a cell, bare or as a `data:` URL."""

import base64
import binascii
import re

from datagen.errors import Reason, RowRejectedError
from datagen.media.pack import MAX_PACKED_BYTES

MIN_BARE_CHARS = 64
"""Shorter text is a path: no image fits into 48 bytes."""
_BARE_STARTS = ("/9j/", "_9j_", "iVBORw0KGgo", "R0lGOD", "UklGR", "Qk", "SUkqA", "TU0AK")
"""JPEG, PNG, GIF, WebP, BMP and TIFF."""

_DATA_URL = re.compile(r"data:(?P<type>[^,;]*)(?:;[^,;]+)*?(?P<base64>;base64)?,", re.IGNORECASE)
_BARE = re.compile(r"[A-Za-z0-9+/_=\s-]*")


def decode_image_text(text: str) -> bytes | None:
    """Return the bytes of an image that `text` holds in base64, or None if it is no base64 but a path.

    Bare base64 is recognised by the first bytes of image formats, line breaks and the URL-safe alphabet
    allowed.

    Raises:
        RowRejectedError: it is base64 that is cut off or damaged, or too large.
    """
    text = text.strip()
    url = _DATA_URL.match(text) if text[:5].lower() == "data:" else None
    if url is not None:
        if url["base64"] is None:
            raise RowRejectedError(
                Reason.MEDIA_UNREADABLE, f"a data URL of {url['type']!r} that is not base64"
            )
        return _decode(text[url.end() :])
    if len(text) >= MIN_BARE_CHARS and text.startswith(_BARE_STARTS) and _BARE.fullmatch(text):
        return _decode(text)
    return None


def _decode(text: str) -> bytes:
    if len(text) > MAX_PACKED_BYTES * 4 // 3 + 4:
        raise RowRejectedError(
            Reason.MEDIA_TOO_LARGE, f"its base64 text has {len(text)} characters"
        )
    packed = re.sub(r"\s+", "", text).translate(str.maketrans("-_", "+/")).rstrip("=")
    if len(packed) % 4 == 1:
        raise RowRejectedError(
            Reason.MEDIA_TRUNCATED, f"its base64 text is cut off after {len(text)} characters"
        )
    try:
        return base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except binascii.Error as error:
        raise RowRejectedError(
            Reason.MEDIA_UNREADABLE, f"its base64 text is damaged: {error}"
        ) from None
