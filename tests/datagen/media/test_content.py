import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from datagen.errors import RowRejectedError
from datagen.files import LocalFiles
from datagen.media.content import content_digest, warnings_of
from datagen.media.media import MediaRoots, inspect_image
from datagen.media.pack import ImagePack

ZOO = Path(__file__).parents[3].parent / "shared" / "own_data" / "22-picture-zoo" / "data" / "zoo"


def reasons(roots: MediaRoots, path: str) -> list[str]:
    found = warnings_of(roots, path)
    assert all(message.startswith(path) for _, message in found)
    return [reason for reason, _ in found]


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def test_a_plain_image_gives_no_warning(collection: Any) -> None:
    folder, roots = collection
    for name in ("a.png", "a.jpg", "a.webp", "a.gif", "a.bmp", "a.tif"):
        Image.new("RGB", (8, 6)).save(folder / name)
        assert warnings_of(roots, f"c/{name}") == []


def test_orientation_animation_and_pages_are_warned_of(collection: Any) -> None:
    folder, roots = collection
    image, other = Image.new("RGB", (8, 6)), Image.new("RGB", (8, 6), "red")
    image.save(folder / "turned.jpg", exif=turned(6))
    image.save(folder / "upright.jpg", exif=turned(1))
    image.save(folder / "moving.gif", save_all=True, append_images=[other])
    image.save(folder / "pages.tif", save_all=True, append_images=[other, image])
    assert reasons(roots, "c/turned.jpg") == ["exif_orientation"]
    assert "orientation 6" in warnings_of(roots, "c/turned.jpg")[0][1]
    assert reasons(roots, "c/upright.jpg") == []
    assert reasons(roots, "c/moving.gif") == ["animated"]
    [(_, message)] = warnings_of(roots, "c/pages.tif")
    assert "has 3 pages, of which the first is used" in message


def test_transparency_counts_only_where_a_pixel_is_transparent(collection: Any) -> None:
    folder, roots = collection
    Image.new("RGBA", (8, 6), (0, 255, 0, 255)).save(folder / "opaque.png")
    Image.new("RGBA", (8, 6), (0, 255, 0, 0)).save(folder / "clear.png")
    Image.new("P", (8, 6)).save(folder / "palette.png", transparency=0)
    assert reasons(roots, "c/opaque.png") == []
    assert reasons(roots, "c/clear.png") == ["transparent"]
    assert reasons(roots, "c/palette.png") == ["transparent"]


@pytest.mark.parametrize(("brightest", "dark"), [(4095, True), (60_000, False)])
def test_16_bits_are_warned_of_above_all_where_they_get_dark(
    collection: Any, brightest: int, dark: bool
) -> None:
    folder, roots = collection
    Image.fromarray(np.full((6, 8), brightest, np.uint16)).save(folder / "deep.png")
    [(reason, message)] = warnings_of(roots, "c/deep.png")
    assert reason == "sixteen_bit" and str(brightest) in message
    assert ("nearly black" in message) == dark


def test_cmyk_and_one_pixel_are_warned_of(collection: Any) -> None:
    folder, roots = collection
    Image.new("CMYK", (8, 6)).save(folder / "print.jpg")
    Image.new("RGB", (1, 6)).save(folder / "line.png")
    assert reasons(roots, "c/print.jpg") == ["cmyk"]
    assert reasons(roots, "c/line.png") == ["tiny_image"]


def test_an_image_that_cannot_be_read_gives_no_warning(collection: Any) -> None:
    folder, roots = collection
    (folder / "page.jpg").write_bytes(b"<html>")
    assert warnings_of(roots, "c/page.jpg") == warnings_of(roots, "c/none.jpg") == []
    assert warnings_of(roots, "d/none.jpg") == []


def test_the_digest_is_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("RGB", (8, 6)).save(data, "PNG")
    (tmp_path / "a.png").write_bytes(data.getvalue())
    with open(tmp_path / "pack", "wb") as file:
        path = ImagePack(file).add(data.getvalue())
    roots = MediaRoots({"c": str(tmp_path)}, LocalFiles(), packs={"c": str(tmp_path / "pack")})
    assert content_digest(roots, "c/a.png") == hashlib.sha256(data.getvalue()).hexdigest()
    assert content_digest(roots, f"c/{path}") == content_digest(roots, "c/a.png")
    with pytest.raises(RowRejectedError, match="is not there"):
        content_digest(roots, "c/none.png")


@pytest.mark.skipif(not ZOO.is_dir(), reason="needs ../shared/own_data")
def test_the_zoo_is_told_as_its_keeper_tells_it() -> None:
    roots = MediaRoots({"zoo": str(ZOO)}, LocalFiles())
    warned = {path.name: reasons(roots, f"zoo/{path.name}") for path in ZOO.iterdir()}
    assert {name: found for name, found in warned.items() if found} == {
        "alpha.png": ["transparent"],
        "anim.gif": ["animated"],
        "cmyk.jpg": ["cmyk"],
        "dot.png": ["tiny_image"],
        "exif6.jpg": ["exif_orientation"],
        "gray16.png": ["sixteen_bit"],
        "palette.png": ["transparent"],
    }
    refused = {}
    for path in sorted(ZOO.iterdir()):
        try:
            inspect_image(roots, f"zoo/{path.name}")
        except RowRejectedError as error:
            refused[path.name] = (error.reason.value, error.message)
    assert {name: reason for name, (reason, _) in refused.items()} == {
        "bomb.png": "media_too_large",
        "cut.jpg": "media_truncated",
        "heic_named.jpg": "media_unreadable",
        "page.jpg": "media_unreadable",
        "zero.jpg": "media_empty",
    }
    assert "HEIC" in refused["heic_named.jpg"][1]
    assert "web page" in refused["page.jpg"][1]
