import io
from pathlib import Path

import pytest
from PIL import Image

from datagen.errors import RowRejectedError
from datagen.files import LocalFiles
from datagen.media.media import MISSING, PACKED, MediaRoots, inspect_image
from datagen.media.pack import ImagePack, Slice, slice_of


def encoded(color: str = "red", kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 6), color).save(file, kind)
    return file.getvalue()


@pytest.fixture
def packed(tmp_path: Path) -> tuple[MediaRoots, str, bytes]:
    """Roots with a pack of two images, the path of the second and its bytes."""
    data = encoded("blue", "JPEG")
    with open(tmp_path / "pack", "wb") as file:
        pack = ImagePack(file)
        pack.add(encoded(), "a.png")
        path = f"c/{pack.add(data, 'b.jpg')}"
    roots = MediaRoots(
        {"c": str(tmp_path / "none")}, LocalFiles(), packs={"c": str(tmp_path / "pack")}
    )
    return roots, path, data


def test_a_slice_is_told_from_the_path_of_a_file() -> None:
    assert slice_of("@12-34/a.png") == Slice(12, 34, "a.png")
    for path in ("a.png", "x/@12-34/a.png", "@12/a.png", "@12-34/", "@12-34/x/a.png", "@-1-3/a"):
        assert slice_of(path) is None


def test_equal_images_are_packed_once_and_equal_names_get_their_digest() -> None:
    file = io.BytesIO()
    pack = ImagePack(file)
    red, blue = encoded("red"), encoded("blue")
    first = pack.add(red, "folder/a.png")
    assert first == f"@0-{len(red)}/a.png"
    assert pack.add(red, "other.png") == first
    second = slice_of(pack.add(blue, "a.png"))
    assert second is not None and second.offset == len(red)
    assert second.name.startswith("a-") and second.name.endswith(".png")
    assert file.getvalue() == red + blue and pack.num_bytes == len(red + blue)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("C:\\x\\a b.png", "a b.png"),
        ("/tmp/.hidden", "hidden"),
        ("a\nb\x1b.png", "a_b_.png"),
        ("@1-2/x", "x"),
        ("画.png", "画.png"),
    ],
)
def test_names_are_those_of_plain_files(name: str, kept: str) -> None:
    found = slice_of(ImagePack(io.BytesIO()).add(b"data", name))
    assert found is not None and found.name == kept


@pytest.mark.parametrize("name", [None, "", "...", "/", "a" * 500])
def test_an_image_without_a_usable_name_is_named_by_its_content(name: str | None) -> None:
    for kind, suffix in (("PNG", "png"), ("JPEG", "jpg"), ("GIF", "gif"), ("WEBP", "webp")):
        found = slice_of(ImagePack(io.BytesIO()).add(encoded(kind=kind), name))
        assert found is not None and len(found.name) == 13 + len(suffix)
        assert found.name.endswith(f".{suffix}")


def test_images_without_bytes_or_with_too_many_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = ImagePack(io.BytesIO())
    with pytest.raises(RowRejectedError, match=r"a\.png has no bytes"):
        pack.add(b"", "a.png")
    monkeypatch.setattr("datagen.media.pack.MAX_PACKED_BYTES", 3)
    with pytest.raises(RowRejectedError, match="has 4 bytes, 3 are allowed"):
        pack.add(b"1234", "a.png")


def test_a_slice_is_opened_checked_and_recorded_under_a_clean_path(
    packed: tuple[MediaRoots, str, bytes],
) -> None:
    roots, path, data = packed
    with roots.open(path) as file:
        assert file.read() == data
    info = inspect_image(roots, path)
    assert (info.width, info.height, info.format) == (8, 6, "JPEG")
    assert roots.record_path(path) == "c/b.jpg"
    assert roots.record_path("c/x/b.jpg") == "c/x/b.jpg"
    assert roots.first_existing(path) == path
    assert roots.under_another_suffix(path) is None


def test_the_state_of_a_slice_is_constant_and_not_recorded(
    packed: tuple[MediaRoots, str, bytes],
) -> None:
    roots, path, _ = packed
    states: dict[str, str] = {}
    with roots.recording(states).open(path):
        pass
    assert states == {}
    Path(roots.packs["c"]).unlink()
    assert roots.state(path) == PACKED
    with pytest.raises(RowRejectedError, match="No such file") as caught:
        roots.open(path)
    assert caught.value.reason.value == "media_missing"


def test_a_slice_past_the_end_of_its_pack_is_refused(
    packed: tuple[MediaRoots, str, bytes],
) -> None:
    roots, path, data = packed
    longer = path.replace(f"-{len(data)}/", f"-{len(data) + 1}/")
    with pytest.raises(RowRejectedError, match="its pack ends before it"):
        roots.open(longer)


def test_without_a_pack_such_a_path_names_a_file(tmp_path: Path) -> None:
    (tmp_path / "@0-4").mkdir()
    (tmp_path / "@0-4" / "a.png").write_bytes(b"of a folder")
    roots = MediaRoots({"c": str(tmp_path)}, LocalFiles(), packs={"d": str(tmp_path / "pack")})
    with roots.open("c/@0-4/a.png") as file:
        assert file.read() == b"of a folder"
    assert roots.record_path("c/@0-4/a.png") == "c/@0-4/a.png"


def test_own_images_are_not_found_under_another_suffix(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded(kind="JPEG"))
    roots = MediaRoots({"c": str(tmp_path)}, LocalFiles())
    own = MediaRoots(roots.roots, roots.files, packs={"c": str(tmp_path / "pack")})
    assert roots.find_existing("c/a.png") == "c/a.png" and own.find_existing("c/a.png") is None
    assert roots.state("c/a.png") != MISSING and own.state("c/a.png") == MISSING
    with pytest.raises(RowRejectedError, match=r"c/a\.jpg is, but another suffix may mean"):
        inspect_image(own, "c/a.png")


def test_what_is_forgotten_needs_no_room_and_comes_back_where_it_was(tmp_path: Path) -> None:
    red, blue = encoded("red"), encoded("blue")
    with open(tmp_path / "pack", "w+b", buffering=0) as file:
        pack = ImagePack(file)
        first = pack.add(red, "a.png")
        pack.forget()
        assert (tmp_path / "pack").stat().st_size == 0
        second = pack.add(blue, "a.png")
        assert pack.add(red, "b.png") == first
        assert pack.add(blue) == second
        roots = MediaRoots({"c": "none"}, LocalFiles(), packs={"c": str(tmp_path / "pack")})
        for path, data in ((first, red), (second, blue)):
            with roots.open(f"c/{path}") as opened:
                assert opened.read() == data


def test_a_root_of_own_images_that_is_not_there_is_named(tmp_path: Path) -> None:
    own = MediaRoots({"c": f"{tmp_path}/fotos"}, LocalFiles(), packs={"c": ""})
    with pytest.raises(RowRejectedError, match=r"there is no folder .*/fotos; images\.root or"):
        own.open("c/a.png")
