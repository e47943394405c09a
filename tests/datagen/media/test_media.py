import io
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from datagen.errors import Reason, RowRejectedError
from datagen.files import LocalFiles
from datagen.media.media import (
    HEAD_BYTES,
    MAX_IMAGE_PIXELS,
    ImageInfo,
    MediaRoots,
    UndecodableError,
    decode_image,
    inspect_image,
    needs_reencoding,
    reencode,
)

pytestmark = pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning")

SIZE = (64, 48)
NOISE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
PHOTO = Image.fromarray(NOISE)
OTHER = Image.fromarray(NOISE[::-1].copy())


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def several(kind: str) -> bytes:
    mode = "P" if kind == "GIF" else "RGB"
    return encoded(PHOTO.convert(mode), kind, save_all=True, append_images=[OTHER.convert(mode)])


def palette_with_alpha() -> bytes:
    out = io.BytesIO()
    PHOTO.quantize(16).save(out, "PNG", transparency=bytes(range(16)))
    return out.getvalue()


SIXTEEN_BITS = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 21

PLAIN: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(PHOTO, "JPEG"),
    "progressive JPEG": lambda: encoded(PHOTO, "JPEG", progressive=True),
    "grey JPEG": lambda: encoded(PHOTO.convert("L"), "JPEG"),
    "PNG": lambda: encoded(PHOTO, "PNG"),
    "grey PNG": lambda: encoded(PHOTO.convert("L"), "PNG"),
    "black and white PNG": lambda: encoded(PHOTO.convert("1"), "PNG"),
    "PNG with alpha": lambda: encoded(PHOTO.convert("RGBA"), "PNG"),
    "PNG with a palette": lambda: encoded(PHOTO.quantize(16), "PNG"),
    "PNG with a palette and alpha": palette_with_alpha,
    "GIF": lambda: encoded(PHOTO.convert("P"), "GIF"),
    "WEBP": lambda: encoded(PHOTO, "WEBP"),
    "BMP": lambda: encoded(PHOTO, "BMP"),
}
NOT_PLAIN: dict[str, Callable[[], bytes]] = {
    "CMYK JPEG": lambda: encoded(PHOTO.convert("CMYK"), "JPEG"),
    "16-bit PNG": lambda: encoded(Image.fromarray(SIXTEEN_BITS), "PNG"),
    "animated GIF": lambda: several("GIF"),
    "animated PNG": lambda: several("PNG"),
    "animated WEBP": lambda: several("WEBP"),
}
IMAGES = PLAIN | NOT_PLAIN


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_header(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">II5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header


@pytest.fixture
def inspect(collection: tuple[Path, MediaRoots]) -> Callable[[bytes], ImageInfo | str]:
    """Return the facts about an image, or the reason for which it is rejected."""
    folder, roots = collection

    def inspect(data: bytes) -> ImageInfo | str:
        (folder / "image").write_bytes(data)
        try:
            return inspect_image(roots, "c/image")
        except RowRejectedError as error:
            assert error.message.startswith("c/image")
            return error.reason.value

    return inspect


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_image_is_taken_as_it_is(inspect: Any, name: str) -> None:
    info = inspect(PLAIN[name]())
    assert (info.width, info.height) == SIZE
    assert info.plain
    assert info.format in name
    assert not needs_reencoding(info, None)
    assert not needs_reencoding(info, 64)
    assert needs_reencoding(info, 63)


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_not_every_reader_shows_alike_is_encoded_again(inspect: Any, name: str) -> None:
    info = inspect(NOT_PLAIN[name]())
    assert (info.width, info.height) == SIZE
    assert not info.plain
    assert needs_reencoding(info, None)


def test_a_long_block_before_the_pixels_hides_nothing(inspect: Any) -> None:
    comment = b"\xff\xfe" + struct.pack(">H", 60_002) + b"x" * 60_000
    for image, plain in ((PHOTO, True), (PHOTO.convert("CMYK"), False)):
        data = encoded(image, "JPEG")
        commented = data[:2] + comment * 2 + data[2:]
        assert len(commented) > HEAD_BYTES
        assert inspect(commented) == ImageInfo(*SIZE, "JPEG", plain)
    animated = several("PNG")
    start = len(png_header(1, 1))
    text = png_chunk(b"tEXt", b"comment\0" + b"x" * 30_000)
    assert inspect(animated[:start] + text + animated[start:]) == ImageInfo(
        *SIZE, "PNG", plain=False
    )


@pytest.mark.parametrize("name", IMAGES)
def test_however_little_is_read_first_the_header_says_the_same(
    inspect: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = IMAGES[name]()
    expected = inspect(data)
    assert isinstance(expected, ImageInfo)
    for num_bytes in (1, 2, 20, 33, 60, 150, 400, len(data) - 1, len(data), len(data) + 1):
        monkeypatch.setattr("datagen.media.media.START_BYTES", num_bytes)
        assert inspect(data) == expected
        assert inspect(data[:-9]) in ("media_truncated", "media_unreadable", expected)


@pytest.mark.parametrize("name", ["JPEG", "PNG", "CMYK JPEG", "16-bit PNG", "WEBP", "GIF", "BMP"])
def test_an_image_cut_off_anywhere_is_rejected_or_whole(inspect: Any, name: str) -> None:
    data = IMAGES[name]()
    whole = np.asarray(decode_image(data))
    reasons = set()
    cuts = {*range(0, len(data), max(1, len(data) // 250)), *range(len(data) - 20, len(data))}
    for length in sorted(cuts):
        found = inspect(data[:length])
        if isinstance(found, str):
            reasons.add(found)
        else:
            assert np.array_equal(np.asarray(decode_image(data[:length])), whole)
    assert reasons <= {"media_empty", "media_truncated", "media_unreadable"}
    assert "media_truncated" in reasons or name == "WEBP"


def test_a_large_image_cut_in_its_middle_is_truncated(inspect: Any) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    for kind in ("JPEG", "PNG"):
        data = encoded(Image.fromarray(noise), kind)
        assert len(data) > HEAD_BYTES + 20_000
        for length in (
            HEAD_BYTES - 1,
            HEAD_BYTES,
            HEAD_BYTES + 1,
            len(data) // 2 + HEAD_BYTES // 2,
        ):
            assert inspect(data[:length]) == "media_truncated"


def test_what_follows_an_images_end_does_no_harm(inspect: Any) -> None:
    for name in ("JPEG", "PNG"):
        for tail in (b"\0" * 10, b"\0" * 100_000):
            assert inspect(IMAGES[name]() + tail) == ImageInfo(*SIZE, name, plain=True)


@pytest.mark.parametrize(
    "data",
    [
        b"<html>404 not found</html>",
        b"\0" * 5_000,
        b"\xff\xd8" + b"\0" * 100,
        b"\x89PNG\r\n\x1a\n" + b"\0" * 30 + b"IEND",
        png_header(0, 5) + png_chunk(b"IEND", b""),
        png_header(5, 0) + png_chunk(b"IEND", b""),
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 20 20\n%%EndComments\nshowpage\n%%EOF\n",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        b"GIF89a",
        b"RIFF\0\0\0\0WEBP",
        b"BM" + b"\0" * 12,
    ],
)
def test_what_is_no_image_is_rejected(inspect: Any, data: bytes) -> None:
    assert inspect(data) == "media_unreadable"


def test_a_file_without_bytes_is_rejected(inspect: Any) -> None:
    assert inspect(b"") == "media_empty"


def test_an_image_of_too_many_pixels_is_rejected_by_its_header(inspect: Any) -> None:
    assert inspect(png_header(30_000, 30_000) + b"\0" * 100) == "media_too_large"
    assert inspect(png_header(8_001, 8_000) + png_chunk(b"IEND", b"")) == "media_too_large"
    assert inspect(png_header(8_000, 8_000) + png_chunk(b"IEND", b"")).width == 8_000
    assert MAX_IMAGE_PIXELS == 8_000 * 8_000
    gif = b"GIF89a" + struct.pack("<HH", 30_000, 30_000) + b"\0\0\0" + b"\x2c" + b"\0" * 20
    assert inspect(gif) == "media_too_large"
    large = encoded(Image.new("L", (8_001, 8_000)), "JPEG", quality=1)
    assert inspect(large) == "media_too_large"


def test_damaged_images_are_rejected_or_taken_and_nothing_else_happens(inspect: Any) -> None:
    choose = random.Random(0)
    outcomes = set()
    for make in IMAGES.values():
        data = make()
        for _ in range(40):
            damaged = bytearray(data)
            for _ in range(choose.choice((1, 3, 10))):
                end = choose.choice((60, len(damaged)))
                damaged[choose.randrange(min(end, len(damaged)))] = choose.randrange(256)
            found = inspect(bytes(damaged))
            outcomes.add(type(found))
            if isinstance(found, ImageInfo):
                try:
                    reencode(bytes(damaged), found, 20)
                except UndecodableError:
                    outcomes.add(UndecodableError)
    assert outcomes == {str, ImageInfo, UndecodableError}


@given(st.binary(max_size=200), st.sampled_from([b"", *(make()[:40] for make in IMAGES.values())]))
def test_no_bytes_make_decoding_fail_in_another_way(data: bytes, head: bytes) -> None:
    try:
        assert decode_image(head + data).mode == "RGB"
    except UndecodableError as error:
        assert str(error)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_encoded_again_is_plain_and_small_enough(inspect: Any, name: str) -> None:
    data = IMAGES[name]()
    again = reencode(data, inspect(data), 32)
    info = inspect(again)
    assert (info.width, info.height) == (32, 24)
    assert info.format == ("JPEG" if "JPEG" in name else "PNG")
    assert not needs_reencoding(info, 32)
    assert Image.open(io.BytesIO(again)).mode == "RGB"


@pytest.mark.parametrize("name", IMAGES)
def test_a_drawing_encoded_again_loses_nothing(inspect: Any, name: str) -> None:
    data = IMAGES[name]()
    info = inspect(data)
    again = decode_image(reencode(data, info, None))
    assert again.size == SIZE
    before, after = (np.asarray(each) for each in (decode_image(data), again))
    if info.format == "JPEG":
        assert np.abs(_blocks(after) - _blocks(before)).max() < 8
    else:
        assert np.array_equal(after, before)


def _blocks(pixels: np.ndarray) -> np.ndarray:
    """Mean colours of 8 x 8 pixels."""
    return pixels.reshape(6, 8, 8, 8, 3).mean(axis=(1, 3))


def test_an_image_encoded_again_has_the_same_bytes_every_time(inspect: Any) -> None:
    for make in IMAGES.values():
        data = make()
        info = inspect(data)
        assert reencode(data, info, 20) == reencode(data, info, 20)


def test_sixteen_bits_are_scaled_to_eight() -> None:
    pixels = np.asarray(decode_image(NOT_PLAIN["16-bit PNG"]()))
    expected = (SIXTEEN_BITS // 257).astype(np.uint8)
    assert np.array_equal(pixels, np.stack([expected] * 3, axis=2))


def test_of_several_frames_the_first_is_the_image() -> None:
    assert np.array_equal(np.asarray(decode_image(several("PNG"))), NOISE)


def test_what_is_transparent_shows_its_own_colour() -> None:
    image = Image.new("RGBA", (4, 4), (200, 10, 60, 0))
    assert decode_image(encoded(image, "PNG")).getpixel((1, 1)) == (200, 10, 60)
    flat = decode_image(palette_with_alpha())
    assert np.array_equal(np.asarray(flat), np.asarray(PHOTO.quantize(16).convert("RGB")))


def reason(roots: MediaRoots, path: str) -> str:
    with pytest.raises(RowRejectedError) as caught:
        roots.open(path).close()
    assert roots.roots["c"] not in caught.value.message
    return caught.value.reason.value


@pytest.mark.parametrize(
    "path",
    [
        "c/../../etc/passwd",
        "c/..",
        "c/a/../../b",
        "c//etc/passwd",
        "/etc/passwd",
        "c/",
        "c",
        "",
        "c\\..\\x",
        "c/a\\b",
        "c/..\\..\\x",
        "other/x.jpg",
        "../c/x.jpg",
        "c/a\0b",
        "c/a\nb",
        "c/a\u2028b",
        "C/x.jpg",
    ],
)
def test_a_path_that_leads_elsewhere_is_rejected(
    collection: tuple[Path, MediaRoots], path: str
) -> None:
    assert reason(collection[1], path) == "unsafe_path"


@pytest.mark.parametrize(
    "name", ["a..b.jpg", "..jpg", "...", "a/...", "ü 日本.jpg", "a b.jpg", "%2e%2e"]
)
def test_names_that_only_look_dangerous_are_used(
    collection: tuple[Path, MediaRoots], name: str
) -> None:
    folder, roots = collection
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    with roots.open(f"c/{name}") as file:
        assert file.read() == b"x"


@pytest.mark.parametrize("name", ["x.jpg", "deep/er/x.jpg", "file/x.jpg"])
def test_a_file_that_is_not_there_is_missing(
    collection: tuple[Path, MediaRoots], name: str
) -> None:
    (collection[0] / "file").write_bytes(b"no folder")
    assert reason(collection[1], f"c/{name}") == "media_missing"


def test_a_collection_without_folder_is_missing(tmp_path: Path) -> None:
    roots = MediaRoots({"c": str(tmp_path / "none")}, LocalFiles())
    with pytest.raises(RowRejectedError, match=r"c/x\.jpg: there is no folder for 'c'") as caught:
        roots.open("c/x.jpg")
    assert caught.value.reason is Reason.MEDIA_MISSING


def test_a_folder_or_an_impossible_name_is_unreadable(collection: tuple[Path, MediaRoots]) -> None:
    folder, roots = collection
    (folder / "sub").mkdir()
    assert reason(roots, "c/sub") == "media_unreadable"
    assert reason(roots, f"c/{'x' * 300}") == "media_unreadable"
    (folder / "loop").symlink_to("loop")
    assert reason(roots, "c/loop") in ("unsafe_path", "media_unreadable")


def test_links_are_followed_inside_a_collection_only(
    collection: tuple[Path, MediaRoots], tmp_path: Path
) -> None:
    folder, roots = collection
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.jpg").write_bytes(b"secret")
    (tmp_path / "collection-2").mkdir()
    (tmp_path / "collection-2" / "x.jpg").write_bytes(b"a neighbour")
    (folder / "x.jpg").write_bytes(b"mine")
    links = {
        "file": tmp_path / "secret" / "x.jpg",
        "folder": tmp_path / "secret",
        "relative": Path("../secret"),
        "neighbour": tmp_path / "collection-2",
        "up": folder.parent,
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    for path in ("file", "folder/x.jpg", "relative/x.jpg", "neighbour/x.jpg", "up/secret/x.jpg"):
        assert reason(roots, f"c/{path}") == "unsafe_path"
    (folder / "same.jpg").symlink_to("x.jpg")
    (folder / "inside").mkdir()
    (folder / "inside" / "link").symlink_to(folder)
    for path in ("same.jpg", "inside/link/x.jpg", "inside/link/same.jpg", "up/collection/x.jpg"):
        with roots.open(f"c/{path}") as file:
            assert file.read() == b"mine"


def test_the_state_of_an_open_file_is_the_state_of_its_path(
    collection: tuple[Path, MediaRoots],
) -> None:
    folder, roots = collection
    (folder / "x.jpg").write_bytes(b"mine")
    (folder / "link.jpg").symlink_to("x.jpg")
    states: dict[str, str] = {}
    recording = roots.recording(states)
    for path in ("c/x.jpg", "c/link.jpg"):
        with recording.open(path) as file:
            assert recording.state_of(file, path) == roots.state(path) == states[path]
            (folder / "y.jpg").write_bytes(b"another")
            os.replace(folder / "y.jpg", folder / "x.jpg")
            assert recording.state_of(file, path) == states[path] != roots.state(path)
        (folder / "x.jpg").write_bytes(b"mine")


def test_a_pipe_is_no_image_and_nobody_waits_for_it(
    collection: tuple[Path, MediaRoots],
) -> None:
    folder, roots = collection
    os.mkfifo(folder / "x.jpg")
    states: dict[str, str] = {}
    assert reason(roots.recording(states), "c/x.jpg") == "media_unreadable"
    assert states == {"c/x.jpg": "unreadable"}


def test_a_collection_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x.jpg").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for root in ("link", "link/", "real/../link", "./real//"):
        roots = MediaRoots({"c": f"{tmp_path}/{root}"}, LocalFiles())
        with roots.open("c/x.jpg") as file:
            assert file.read() == b"x"


def test_a_path_is_located_whether_it_exists_or_not(tmp_path: Path) -> None:
    roots = MediaRoots({"coco": "/data/coco"}, LocalFiles())
    assert roots.locate("coco/train2014/x.jpg") == "/data/coco/train2014/x.jpg"


def test_the_first_image_that_exists_is_taken(collection: tuple[Path, MediaRoots]) -> None:
    folder, roots = collection
    (folder / "b").write_bytes(b"")
    assert roots.first_existing("c/a", "c/b", "c/x") == "c/b"
    assert roots.first_existing("c/a", "c/x") == "c/a"
    with pytest.raises(RowRejectedError):
        roots.first_existing("c/../b")


def test_what_exists_nowhere_is_not_guessed(collection: tuple[Path, MediaRoots]) -> None:
    folder, roots = collection
    assert roots.find_existing("c/a.jpg", "c/b.jpg") is None
    (folder / "b.png").write_bytes(b"")
    assert roots.find_existing("c/a.jpg", "c/b.jpg") == "c/b.jpg"
    (folder / "a.jpg").write_bytes(b"")
    assert roots.find_existing("c/b.jpg", "c/a.jpg") == "c/a.jpg"
    with pytest.raises(RowRejectedError):
        roots.find_existing("c/../b")


def test_what_may_not_be_read_is_unreadable(
    collection: tuple[Path, MediaRoots], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = collection

    def locked(*_: object) -> Any:
        raise PermissionError(13, os.strerror(13))

    class Locked(LocalFiles):
        open_binary = staticmethod(locked)

    monkeypatch.setattr("datagen.media.media.os.open", locked)
    (folder / "x.jpg").write_bytes(b"x")
    roots = MediaRoots({"c": str(folder)}, Locked())
    with pytest.raises(RowRejectedError, match=r"c/x\.jpg: Permission denied") as caught:
        roots.open("c/x.jpg")
    assert caught.value.reason is Reason.MEDIA_UNREADABLE
