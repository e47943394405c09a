import hashlib
import io
import zlib
from pathlib import Path

import pytest
from PIL import Image

from datagen.errors import RowRejectedError
from datagen.files import LocalFiles
from pipelines.fetch_images.images import ImageFolder, StoredImage


def encoded(size: tuple[int, int], kind: str = "JPEG") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", size, (9, 90, 200)).save(data, kind)
    return data.getvalue()


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 60,000 x 60,000 pixels."""
    header = b"IHDR" + (60_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    data = b"IDAT" + zlib.compress(bytes(100_000))
    chunks = [
        (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4)
        for chunk in (header, data, b"IEND")
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def folder(tmp_path: Path, max_side: int | None = None) -> ImageFolder:
    return ImageFolder(LocalFiles(), str(tmp_path), max_side)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP"])
def test_an_image_that_fits_is_kept_to_the_byte(tmp_path: Path, kind: str) -> None:
    data = encoded((40, 30), kind)
    stored = folder(tmp_path, max_side=40).keep(io.BytesIO(data), "ab/c.jpg")
    assert (tmp_path / "ab/c.jpg").read_bytes() == data
    assert stored == StoredImage(len(data), hashlib.sha256(data).hexdigest(), 40, 30)


def test_a_larger_image_is_shrunk(tmp_path: Path) -> None:
    stored = folder(tmp_path, max_side=100).keep(io.BytesIO(encoded((400, 200))), "ab/c.jpg")
    data = (tmp_path / "ab/c.jpg").read_bytes()
    assert (stored.width, stored.height, stored.num_bytes) == (100, 50, len(data))
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert Image.open(io.BytesIO(data)).size == (100, 50)


@pytest.mark.parametrize(
    ("data", "reason", "message"),
    [
        (b"", "media_empty", "the body has no bytes"),
        (b"<!doctype html><html>Sorry!</html>", "media_unreadable", "a web page"),
        (encoded((300, 300))[:-700], "media_truncated", "truncated"),
        (bomb(), "media_too_large", "60000 x 60000"),
        (b"\xff\xd8\xff\xe0 nonsense", "media_unreadable", "the body"),
    ],
)
def test_what_is_no_image_is_not_written(
    tmp_path: Path, data: bytes, reason: str, message: str
) -> None:
    with pytest.raises(RowRejectedError, match=message) as raised:
        folder(tmp_path).keep(io.BytesIO(data), "ab/c.jpg")
    assert raised.value.reason == reason
    assert not (tmp_path / "ab").exists()


def test_an_image_that_is_there_counts_as_it_lies(tmp_path: Path) -> None:
    data = encoded((40, 30))
    images = folder(tmp_path)
    stored = images.keep(io.BytesIO(data), "ab/c.jpg")
    assert images.held("ab/c.jpg") == stored
    assert images.held("ab/d.jpg") is None
    shrunk = folder(tmp_path, max_side=20).held("ab/c.jpg")
    assert shrunk is not None
    assert (shrunk.width, shrunk.height) == (20, 15)
    (tmp_path / "ab/c.jpg").write_bytes(data[:-100])
    assert images.held("ab/c.jpg") is None
