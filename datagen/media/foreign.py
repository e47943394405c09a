"""Names of what files are that are called images and are none, each with its remedy."""

_CONVERT = "convert it to JPEG or PNG"
_BRANDS = {
    b"heic": "HEIC, the photos of iPhones",
    b"heix": "HEIC, the photos of iPhones",
    b"heim": "HEIC, the photos of iPhones",
    b"hevc": "HEIC, the photos of iPhones",
    b"mif1": "HEIC, the photos of iPhones",
    b"msf1": "HEIC, the photos of iPhones",
    b"avif": "AVIF",
    b"avis": "AVIF",
}
"""Of the ISO base media format, in bytes 8 to 12 behind `ftyp`; all others are taken for videos."""
_STARTS = {
    b"%PDF": ("a PDF document", "export its pages as images"),
    b"%!PS": ("a PostScript file", _CONVERT),
    b"8BPS": ("a Photoshop file", _CONVERT),
    b"\0\0\0\x0cJXL ": ("JPEG XL", _CONVERT),
    b"\xff\x0a": ("JPEG XL", _CONVERT),
    b"\0\0\0\x0cjP  ": ("JPEG 2000", _CONVERT),
    b"\x93NUMPY": ("a NumPy array", "save it as PNG"),
    b"PK\x03\x04": ("a zip archive", "unpack it"),
    b"\x1f\x8b": ("a gzip file", "unpack it"),
    b"version https://git-lfs": ("a Git LFS pointer", "fetch the image with `git lfs pull`"),
}
_WEB = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_MARKUP_BYTES = 2_048
_SHOWN_CHARS = 60


def foreign_kind(head: bytes) -> str | None:
    """Return what a file is by its first bytes, and what to do, or None if that is not known.

    Examples:
        >>> foreign_kind(b"%PDF-1.7")
        'a PDF document: export its pages as images'
    """
    if head[4:8] == b"ftyp":
        brand = _BRANDS.get(head[8:12])
        if brand is None:
            return "a video or sound: name it in columns.video"
        example = " (`heif-convert a.heic a.jpg`)" if "HEIC" in brand else ""
        return f"{brand}: {_CONVERT}{example}"
    if head[128:132] == b"DICM":
        return "DICOM: export it as PNG"
    for start, (kind, remedy) in _STARTS.items():
        if head.startswith(start):
            return f"{kind}: {remedy}"
    markup = head[:_MARKUP_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if markup.startswith((b"<?xml", b"<!--", b"<!doctype", b"<svg")) and b"<svg" in markup:
        return f"SVG, a drawing: {_CONVERT}"
    if markup.startswith(_WEB):
        return "a web page, often an error page saved under the image's name: download it again"
    return _as_text(head)


def _as_text(head: bytes) -> str | None:
    try:
        text = head[: 4 * _SHOWN_CHARS].decode()
    except UnicodeDecodeError as error:
        if error.start < len(head[: 4 * _SHOWN_CHARS]) - 4:
            return None
        text = head[: error.start].decode()
    line = " ".join(text.split())
    if not line.isprintable() or len(line) < 4:
        return None
    return f"text that begins {line[:_SHOWN_CHARS]!r}: download it again"
