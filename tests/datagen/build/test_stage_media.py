import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from datagen.build.options import make_options
from datagen.build.stage_media import AS_IT_IS, MAX_REMEMBERED, MediaStage, StagedMedia
from datagen.errors import RowRejectedError
from datagen.media.media import MISSING, MediaRoots, decode_image


def stage(roots: MediaRoots, pack: io.BytesIO | None = None, **options: Any) -> MediaStage:
    images = "reference" if pack is None else "embed"
    return MediaStage(roots, make_options(raw="r", out="o", images=images, **options), pack)


def write_image(
    path: Path, size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: Any
) -> Any:
    pixels = np.random.default_rng(len(str(path.name))).integers(0, 256, (*size[::-1], 3))
    image = Image.fromarray(pixels.astype(np.uint8)).convert(mode)
    image.save(path, **options)
    return path


@pytest.fixture
def imaged(collection: tuple[Path, MediaRoots], example: Any) -> Any:
    """An example with images of the collection."""
    return lambda *names: example(images=tuple(f"c/{name}" for name in names))


def kept(pack: io.BytesIO, place: tuple[int, int]) -> bytes:
    offset, length = place
    return pack.getvalue()[offset : offset + length]


def test_a_reference_is_the_images_path(collection: Any, imaged: Any) -> None:
    folder, roots = collection
    write_image(folder / "a.jpg")
    assert stage(roots).prepare(imaged("a.jpg")) == StagedMedia(("c/a.jpg",))


def test_an_image_to_embed_is_read_when_its_shard_is_written(collection: Any, imaged: Any) -> None:
    folder, roots = collection
    write_image(folder / "a.jpg")
    pack = io.BytesIO()
    media = stage(roots, pack)
    assert media.prepare(imaged("a.jpg")) == StagedMedia(("c/a.jpg",), packed=(AS_IT_IS,))
    assert (pack.getvalue(), media.reencoded) == (b"", 0)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("large.jpg", {"size": (400, 100)}),
        ("large.png", {"size": (50, 101)}),
        ("cmyk.jpg", {"mode": "CMYK"}),
        ("animated.gif", {"save_all": True, "append_images": [Image.new("RGB", (40, 20))]}),
    ],
)
def test_an_image_that_is_larger_or_not_plain_is_encoded_again(
    collection: Any, imaged: Any, name: str, options: Any
) -> None:
    folder, roots = collection
    write_image(folder / name, **options)
    pack = io.BytesIO()
    media = stage(roots, pack, image_max_side=100)
    (place,) = media.prepare(imaged(name)).packed
    again = Image.open(io.BytesIO(kept(pack, place)))
    assert max(again.size) <= 100
    assert again.mode == "RGB"
    assert again.format == ("JPEG" if name.endswith(".jpg") else "PNG")
    assert media.reencoded == 1


def test_images_encoded_again_lie_one_after_the_other(collection: Any, imaged: Any) -> None:
    folder, roots = collection
    for name in ("a.png", "bb.png"):
        write_image(folder / name, size=(64, 64))
    pack = io.BytesIO()
    media = stage(roots, pack, image_max_side=32)
    staged = media.prepare(imaged("a.png", "bb.png"))
    (first, second), paths = staged.packed, staged.paths
    assert paths == ("c/a.png", "c/bb.png")
    assert first[0] == 0
    assert second[0] == first[1]
    assert sum(second) == len(pack.getvalue())
    assert kept(pack, first) != kept(pack, second)
    assert all(Image.open(io.BytesIO(kept(pack, p))).size == (32, 32) for p in (first, second))


def test_an_image_of_many_examples_is_looked_at_once(
    collection: Any, imaged: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, roots = collection
    write_image(folder / "a.png", size=(64, 64))
    opened = []
    monkeypatch.setattr(
        MediaRoots, "open", lambda self, path, real=MediaRoots.open: opened.append(path) or real(self, path)
    )  # fmt: skip
    media = stage(roots, io.BytesIO(), image_max_side=32)
    places = {media.prepare(imaged("a.png")).packed for _ in range(5)}
    assert len(places) == 1
    assert opened == ["c/a.png"] * 2  # to check it, and to encode it
    assert media.reencoded == 1


def test_what_is_remembered_is_bounded(collection: Any, imaged: Any, monkeypatch: Any) -> None:
    assert MAX_REMEMBERED >= 1_000
    monkeypatch.setattr("datagen.build.stage_media.MAX_REMEMBERED", 3)
    folder, roots = collection
    for number in range(10):
        write_image(folder / f"{number}.jpg")
    media = stage(roots)
    for number in (*range(10), 0, 9, 0):
        assert media.prepare(imaged(f"{number}.jpg")).paths == (f"c/{number}.jpg",)
        assert len(media._remembered) <= 3


@pytest.mark.parametrize("embed", [True, False])
def test_an_image_that_cannot_be_used_rejects_every_example_that_has_it(
    collection: Any, imaged: Any, embed: bool
) -> None:
    folder, roots = collection
    (folder / "empty.jpg").touch()
    data = write_image(folder / "a.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(data[:-200])
    (folder / "page.jpg").write_bytes(b"<html>")
    media = stage(roots, io.BytesIO() if embed else None)
    for name, reason in {
        "empty.jpg": "media_empty",
        "cut.jpg": "media_truncated",
        "page.jpg": "media_unreadable",
        "none.jpg": "media_missing",
        "../x.jpg": "unsafe_path",
    }.items():
        for _ in range(2):
            with pytest.raises(RowRejectedError) as caught:
                media.prepare(imaged(name))
            assert caught.value.reason == reason
        with pytest.raises(RowRejectedError) as caught:
            media.prepare(imaged("a.jpg", name))
        assert caught.value.reason == reason


def test_references_to_images_that_are_not_here_can_be_kept(
    collection: Any, imaged: Any, example: Any
) -> None:
    folder, roots = collection
    (folder / "empty.jpg").touch()
    media = stage(roots, missing_images="keep")
    assert media.prepare(imaged("none.jpg")) == StagedMedia(("c/none.jpg",))
    assert media.prepare(example(images=None, video="c/none.avi")) == StagedMedia(())
    for name, reason in {"empty.jpg": "media_empty", "../none.jpg": "unsafe_path"}.items():
        with pytest.raises(RowRejectedError) as caught:
            media.prepare(imaged(name))
        assert caught.value.reason == reason


def test_an_image_whose_header_is_sound_and_its_pixels_are_not_cannot_be_encoded_again(
    collection: Any, imaged: Any
) -> None:
    folder, roots = collection
    data = bytearray(write_image(folder / "a.png", size=(64, 64)).read_bytes())
    data[1_000:1_100] = bytes(100)
    (folder / "a.png").write_bytes(data)
    assert stage(roots).prepare(imaged("a.png")).paths == ("c/a.png",)
    with pytest.raises(RowRejectedError) as caught:
        stage(roots, io.BytesIO(), image_max_side=32).prepare(imaged("a.png"))
    assert caught.value.reason == "media_unreadable"
    assert caught.value.message.startswith("c/a.png: ")


@pytest.mark.parametrize(
    ("named", "there", "kind"),
    [
        ("a.gif", "a.jpg", "GIF"),
        ("a.jpg", "a.png", "PNG"),
        ("a.png", "a.JPG", "JPEG"),
        ("b.c.JPG", "b.c.jpeg", "JPEG"),
        ("a.jpg", "a.jpg", "GIF"),
    ],
)
def test_an_image_is_found_under_another_suffix_whatever_its_content(
    collection: Any, imaged: Any, named: str, there: str, kind: str
) -> None:
    folder, roots = collection
    Image.new("RGB", (40, 20), (1, 2, 3)).save(folder / there, kind)
    assert stage(roots).prepare(imaged(named)) == StagedMedia((f"c/{there}",))
    both = stage(roots).prepare(imaged(named, there))
    assert both == StagedMedia((f"c/{there}", f"c/{there}"))
    media = stage(roots, io.BytesIO()).prepare(imaged(named))
    assert media == StagedMedia((f"c/{there}",), packed=(AS_IT_IS,))


def test_an_image_that_arrives_under_another_suffix_changes_the_state(collection: Any) -> None:
    folder, roots = collection
    assert roots.state("c/a.gif") == MISSING
    Image.new("RGB", (40, 20)).save(folder / "a.jpg", "GIF")
    assert roots.state("c/a.gif") == roots.state("c/a.jpg") != MISSING


def test_the_named_file_comes_before_its_namesakes(collection: Any, imaged: Any) -> None:
    folder, roots = collection
    write_image(folder / "a.png")
    write_image(folder / "a.jpg")
    assert stage(roots).prepare(imaged("a.png")) == StagedMedia(("c/a.png",))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_the_orientation_of_an_image_is_kept_and_never_applied(
    collection: Any, imaged: Any, kind: str
) -> None:
    folder, roots = collection
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Artist] = "somebody"
    for name, size in (("small.jpg", (40, 20)), ("large.jpg", (400, 200))):
        Image.new("RGB", size, (1, 2, 3)).save(folder / name, kind, exif=exif)
    pack = io.BytesIO()
    media = stage(roots, pack, image_max_side=100)
    assert media.prepare(imaged("small.jpg")).packed == (AS_IT_IS,)
    (place,) = media.prepare(imaged("large.jpg")).packed
    for data, size in (
        ((folder / "small.jpg").read_bytes(), (40, 20)),
        (kept(pack, place), (100, 50)),
    ):
        assert decode_image(data).size == size
        image = Image.open(io.BytesIO(data))
        assert image.getexif()[ExifTags.Base.Orientation] == 6
        assert ImageOps.exif_transpose(image).size == size[::-1]
    again = Image.open(io.BytesIO(kept(pack, place)))
    assert dict(again.getexif()) == {ExifTags.Base.Orientation: 6}


@pytest.fixture
def clip(collection: Any, sample_raw: Path) -> str:
    folder, _ = collection
    video = sorted((sample_raw / "videos/msvd").iterdir())[0]
    (folder / "clip.avi").write_bytes(video.read_bytes())
    return "c/clip.avi"


def test_a_clip_has_four_times(collection: Any, example: Any, clip: str) -> None:
    media = stage(collection[1])
    assert media.prepare(example(images=None, video=clip)) == StagedMedia(
        (), (0.25, 0.75, 1.25, 1.75)
    )
    part = media.prepare(example(images=None, video=clip, clip=(1.0, 1.8)))
    assert part.frame_times == pytest.approx((1.1, 1.3, 1.5, 1.7))


def test_a_clip_that_begins_after_the_video_is_rejected(
    collection: Any, example: Any, clip: str
) -> None:
    """Such as the times of a whole video with a file that is cut already."""
    media = stage(collection[1])
    with pytest.raises(
        RowRejectedError, match=r"clip.avi lasts 2.0 s, and its clip begins at 61"
    ) as e:
        media.prepare(example(images=None, video=clip, clip=(61.0, 66.0)))
    assert e.value.reason.value == "media_truncated"


def test_a_clip_to_embed_becomes_its_frames(collection: Any, example: Any, clip: str) -> None:
    pack = io.BytesIO()
    media = stage(collection[1], pack, image_max_side=48)
    staged = media.prepare(example(images=None, video=clip))
    assert staged.paths == tuple(f"{clip}#t={time:.3f}" for time in (0.25, 0.75, 1.25, 1.75))
    frames = [Image.open(io.BytesIO(kept(pack, place))) for place in staged.packed]
    assert [(frame.size, frame.format) for frame in frames] == [((48, 48), "JPEG")] * 4
    again = io.BytesIO()
    stage(collection[1], again, image_max_side=48).prepare(example(images=None, video=clip))
    assert again.getvalue() == pack.getvalue()


@pytest.mark.parametrize("embed", [True, False])
def test_a_clip_that_cannot_be_used_is_rejected(
    collection: Any, example: Any, clip: str, embed: bool
) -> None:
    folder, roots = collection
    data = (folder / "clip.avi").read_bytes()
    (folder / "empty.avi").touch()
    (folder / "cut.avi").write_bytes(data[: len(data) // 3])
    (folder / "page.avi").write_bytes(b"<html>not here</html>" * 100)
    Image.new("RGB", (32, 32)).save(folder / "still.avi", "JPEG")
    media = stage(roots, io.BytesIO() if embed else None)
    for name, reason in {
        "empty.avi": "media_empty",
        "cut.avi": "media_unreadable",
        "page.avi": "media_unreadable",
        "still.avi": "media_unreadable",
        "none.avi": "media_missing",
        "../clip.avi": "unsafe_path",
    }.items():
        with pytest.raises(RowRejectedError) as caught:
            media.prepare(example(images=None, video=f"c/{name}"))
        assert caught.value.reason == reason
