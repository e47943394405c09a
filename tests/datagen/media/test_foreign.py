import pytest

from datagen.media.foreign import foreign_kind

PRINTABLE = b"Access denied. Please sign in to download this image."


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", ("HEIC", "heif-convert")),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", ("HEIC", "convert it")),
        (b"\0\0\0\x1cftypavif\0\0\0\0", ("AVIF", "convert it to JPEG or PNG")),
        (b"\0\0\0\x18ftypisom\0\0\0\0", ("video", "columns.video")),
        (b"<!DOCTYPE html><html>", ("web page", "download it again")),
        (b"\xef\xbb\xbf\r\n<HTML><head>", ("web page",)),
        (b'<?xml version="1.0"?><svg xmlns="x">', ("SVG",)),
        (b"<svg width='1'>", ("SVG",)),
        (b"%PDF-1.7\n%\xe2\xe3", ("PDF", "export its pages")),
        (b"PK\x03\x04\x14\0", ("zip archive", "unpack")),
        (b"\x1f\x8b\x08\0", ("gzip", "unpack")),
        (b"\0" * 128 + b"DICM", ("DICOM", "PNG")),
        (b"version https://git-lfs.github.com/spec/v1\n", ("Git LFS", "git lfs pull")),
        (b"8BPS\0\x01", ("Photoshop",)),
        (b"\xff\x0a\xfa\x1f", ("JPEG XL",)),
        (PRINTABLE, ("text that begins 'Access denied. Please sign",)),
        (("é" * 200).encode(), ("text that begins 'éé",)),
    ],
)
def test_a_file_under_an_images_name_is_named_with_its_remedy(
    head: bytes, says: tuple[str, ...]
) -> None:
    found = foreign_kind(head)
    assert found is not None
    for each in says:
        assert each in found


@pytest.mark.parametrize(
    "head", [b"", b"\x89PN", b"\0\1\2\3" * 50, b"a\0b\0c\0", b"\xe9t\xe9" * 90]
)
def test_what_is_not_known_is_not_guessed(head: bytes) -> None:
    assert foreign_kind(head) is None
