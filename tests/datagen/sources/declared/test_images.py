import base64
import csv
import io
import json
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from PIL import Image

from datagen.errors import RowRejectedError
from datagen.files import LocalFiles
from datagen.media.content import content_digest
from datagen.media.media import MediaRoots, inspect_image
from datagen.schema.adapter import Filtered
from datagen.sources.declared.definition import Definition, media_folder
from datagen.sources.declared.images import ImageFinder
from datagen.sources.declared.row import Place, Problem

OWN = Path(__file__).parents[4].parent / "shared" / "own_data"
PLACE = Place(file="rows.csv", row=1, line=2)


def encoded(color: str = "red", kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


@dataclass
class Finding:
    """A finder over a folder of photos, its pack and its warnings."""

    folder: Path
    pack: io.BytesIO = field(default_factory=io.BytesIO)
    problems: list[Problem] = field(default_factory=list)

    def put(self, *names: str) -> None:
        for name in names:
            path = self.folder / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded())

    def finder(self, videos: Mapping[str, Any] | None = None, **images: Any) -> ImageFinder:
        definition = Definition.model_validate(
            {
                "name": "pumps",
                "task": "caption",
                "files": "rows.csv",
                "images": {"root": "photos", **images},
                "videos": {"root": "photos", **(videos or {})},
                "base": str(self.folder),
            }
        )
        return ImageFinder(definition, LocalFiles(), self.pack, self.problems.append)

    def find(self, value: Any, columns: Mapping[str, Any] | None = None, **images: Any) -> str:
        return self.finder(**images).find(value, columns or {}, PLACE)

    def refusal(self, value: Any, columns: Any = None, **images: Any) -> tuple[str, str]:
        with pytest.raises(RowRejectedError) as caught, closing(self.finder(**images)) as finder:
            finder.find_all([value], columns or {}, PLACE)
        return caught.value.reason.value, caught.value.message

    def bytes_of(self, path: str) -> bytes:
        pack = self.folder / "images.pack"
        pack.write_bytes(self.pack.getvalue())
        roots = MediaRoots(
            {"pumps": f"{self.folder}/photos"}, LocalFiles(), packs={"pumps": str(pack)}
        )
        with roots.open(path) as file:
            return file.read()


@pytest.fixture
def photos(tmp_path: Path) -> Finding:
    (tmp_path / "photos").mkdir()
    return Finding(tmp_path)


@pytest.mark.parametrize(
    "text",
    ["a/1.png", "./a/1.png", "a//1.png", "a/./1.png", "a/b/../1.png", " a/1.png ", "a/1.png\n"],
)
def test_a_path_below_the_root_becomes_a_media_path(photos: Finding, text: str) -> None:
    photos.put("a/1.png")
    assert photos.find(text) == "pumps/a/1.png"
    assert photos.problems == []


def test_blanks_that_belong_to_a_name_stay(photos: Finding) -> None:
    photos.put(" a.png ")
    assert photos.find(" a.png ") == "pumps/ a.png "


def test_a_missing_file_is_left_to_the_build(photos: Finding) -> None:
    assert photos.find("none/1.png") == "pumps/none/1.png"


def test_an_absolute_path_below_the_root_is_cut_to_what_is_below_it(photos: Finding) -> None:
    photos.put("a/1.png")
    assert photos.find(f"{photos.folder}/photos/a/1.png") == "pumps/a/1.png"
    assert photos.find(f"file://{photos.folder}/photos/a/1.png") == "pumps/a/1.png"


@pytest.mark.parametrize(
    "text",
    ["/mnt/other/photos/a/1.png", "file:///mnt/1.png", "C:/photos/1.png", "//host/share/1.png"],
)
def test_an_absolute_path_of_another_machine_is_never_cut_to_its_last_part(
    photos: Finding, text: str
) -> None:
    photos.put("1.png")
    reason, message = photos.refusal(text)
    assert reason == "unsafe_path"
    assert text in message and "images: {replace_prefix: {" in message


def test_the_longest_prefix_that_ends_at_a_folder_is_replaced(photos: Finding) -> None:
    photos.put("a/1.png", "b/1.png")
    prefixes = {"/data/imgs": "a", "/data/imgs/new/": "b", "https://host.example/": ""}
    assert photos.find("/data/imgs/1.png", replace_prefix=prefixes) == "pumps/a/1.png"
    assert photos.find("/data/imgs/new/1.png", replace_prefix=prefixes) == "pumps/b/1.png"
    assert photos.find("https://host.example/b/1.png", replace_prefix=prefixes) == "pumps/b/1.png"
    assert photos.refusal("/data/imgs_v2/1.png", replace_prefix=prefixes)[0] == "unsafe_path"
    out = {"/data/": "../../"}
    assert photos.refusal("/data/1.png", replace_prefix=out)[0] == "unsafe_path"


def test_backslashes_part_folders_only_where_that_is_said(photos: Finding) -> None:
    photos.put("a/1.png")
    reason, message = photos.refusal("a\\1.png")
    assert reason == "unsafe_path" and "images: {separators: windows}" in message
    assert photos.find(".\\a\\1.png", separators="windows") == "pumps/a/1.png"
    prefixes = {"D:\\photos\\": ""}
    windows = {"separators": "windows", "replace_prefix": prefixes}
    assert photos.find("D:\\photos\\a\\1.png", **windows) == "pumps/a/1.png"
    reason, message = photos.refusal("D:\\x\\1.png")
    assert "separators: windows, replace_prefix" in message


@pytest.mark.parametrize(
    "text", ["../1.png", "a/../../1.png", "a\0.png", "a\x1b[2J.png", ".", "a/..", "@0-10/a.png"]
)
def test_an_unsafe_path_is_refused(photos: Finding, text: str) -> None:
    assert photos.refusal(text)[0] == "unsafe_path"


def test_a_link_out_of_the_root_is_refused_when_it_is_opened(photos: Finding) -> None:
    (photos.folder / "outside.png").write_bytes(encoded())
    (photos.folder / "photos" / "1.png").symlink_to(photos.folder / "outside.png")
    path = photos.find("1.png")
    roots = MediaRoots({"pumps": f"{photos.folder}/photos"}, LocalFiles())
    with pytest.raises(RowRejectedError, match="--follow-links"):
        inspect_image(roots, path)


@pytest.mark.parametrize(
    "url", ["https://host.example/a/1.png?w=3", "http://x/1.png", "s3://b/1.png", "gs://b/1.png"]
)
def test_a_url_is_refused_with_the_command_that_downloads_it(photos: Finding, url: str) -> None:
    reason, message = photos.refusal(url)
    assert reason == "remote_media"
    assert url in message and "wget" in message and "replace_prefix" in message


def test_names_of_other_systems_are_found_with_a_warning(photos: Finding) -> None:
    composed, decomposed = (unicodedata.normalize(form, "Käse.png") for form in ("NFC", "NFD"))
    photos.put(f"Cam_A/{decomposed}")
    assert photos.find(f"cam_a/{composed}") == f"pumps/Cam_A/{decomposed}"
    assert photos.find("cam_a/käse.PNG") == f"pumps/Cam_A/{decomposed}"
    for each in photos.problems:
        assert (each.place, each.severity, each.reason) == (PLACE, "warn", "name_differs")
        assert "Cam_A" in each.message


def test_of_several_files_that_have_a_name_in_other_case_none_is_used(photos: Finding) -> None:
    photos.put("IMG.png", "img.png")
    assert photos.find("Img.png") == "pumps/Img.png"
    [problem] = photos.problems
    assert problem.reason == "name_differs" and "IMG.png, img.png" in problem.message
    assert photos.find("img.png") == "pumps/img.png"


def test_a_file_with_another_suffix_is_named_and_not_taken(photos: Finding) -> None:
    photos.put("1.jpg")
    with pytest.raises(
        RowRejectedError, match=r"1\.png is not there; pumps/1\.jpg is, but"
    ) as caught:
        photos.bytes_of(photos.find("1.png"))
    assert caught.value.reason.value == "media_missing"


def test_names_that_macos_gives_screenshots_are_allowed(photos: Finding) -> None:
    name = "Screenshot 2026-01-02 at 3.04.05\u202fPM.png"
    photos.put(name)
    assert photos.find(name) == f"pumps/{name}"


@pytest.mark.parametrize(
    "value", [None, "", "  ", float("nan"), [], {}, {"bytes": None, "path": None}]
)
def test_a_row_without_image_is_rejected_or_left_out(photos: Finding, value: Any) -> None:
    assert photos.refusal(value)[0] == "no_image"
    finder = photos.finder(missing_column="skip")
    assert finder.find_all([value], {}) == Filtered("no image")
    assert finder.find_all([], {}) == Filtered("no image")


def test_several_images_are_kept_cut_to_the_first_or_refused(photos: Finding) -> None:
    photos.put("1.png", "2.png")
    values = ["1.png", "2.png"]
    both = ["pumps/1.png", "pumps/2.png"]
    assert photos.finder().find_all(values, {}) == both
    assert photos.finder().find_all([values], {}) == both
    assert photos.finder(several="first").find_all(values, {}) == both[:1]
    with pytest.raises(RowRejectedError, match="2 images, one is allowed"):
        photos.finder(several="reject").find_all(values, {})
    with pytest.raises(RowRejectedError, match="image 2 of 2: the row names no image"):
        photos.finder(missing_column="skip").find_all(["1.png", None], {})


@pytest.mark.parametrize("value", [12, "12", " 12 ", 12.0])
def test_a_pattern_makes_a_path_of_columns(photos: Finding, value: Any) -> None:
    pattern = "scans/XR_{image_id:05d}.png"
    photos.put("scans/XR_00012.png")
    finder = photos.finder(pattern=pattern)
    assert finder.find_all([], {"image_id": value}) == ["pumps/scans/XR_00012.png"]
    assert photos.find("b", {"f": "a"}, pattern="{f}/{image}.png") == "pumps/a/b.png"
    assert photos.find(7, pattern="{image}.jpg") == "pumps/7.jpg"


@pytest.mark.parametrize(
    ("columns", "reason", "says"),
    [
        ({"image_no": 1}, "malformed_row", "did you mean 'image_no'"),
        ({"image_id": None}, "no_image", "'image_id'"),
        ({"image_id": "x7"}, "malformed_row", "no format '03d'"),
        ({"image_id": "1_0"}, "malformed_row", "'1_0'"),
        ({"image_id": True}, "malformed_row", "True"),
        ({"image_id": [1]}, "malformed_row", r"[1]"),
    ],
)
def test_a_pattern_that_a_row_cannot_fill_rejects_it(
    photos: Finding, columns: Any, reason: str, says: str
) -> None:
    found, message = photos.refusal(None, columns, pattern="{image_id:03d}.png")
    assert found == reason and says in message


@pytest.mark.parametrize(
    "pattern", ["{a.__class__}", "{a[0]}", "{}", "{a!r}", "{a:{b}}", "{a", "}"]
)
def test_a_pattern_names_columns_and_nothing_else(photos: Finding, pattern: str) -> None:
    with pytest.raises(ValueError, match="is no pattern"):
        photos.finder(pattern=pattern)


def test_a_number_without_a_pattern_is_no_path(photos: Finding) -> None:
    reason, message = photos.refusal(12)
    assert reason == "malformed_row" and "pattern: '{image}.jpg'" in message


def test_bytes_go_into_the_pack_each_content_once(photos: Finding) -> None:
    red, blue = encoded("red"), encoded("blue", "JPEG")
    finder = photos.finder()
    first = finder.find({"bytes": red, "path": "/cache/x/chart.png"}, {})
    assert first == f"pumps/@0-{len(red)}/chart.png"
    assert finder.find(red, {}) == first
    assert finder.find({"bytes": red, "path": None}, {}) == first
    second = finder.find({"bytes": blue, "path": "shard/0001.jpg"}, {})
    assert second == f"pumps/@{len(red)}-{len(blue)}/0001.jpg"
    assert photos.bytes_of(first) == red and photos.bytes_of(second) == blue
    assert photos.refusal(b"")[0] == "no_image"


def test_bytes_that_are_null_leave_the_path(photos: Finding) -> None:
    photos.put("1.png")
    assert photos.find({"bytes": None, "path": "1.png"}) == "pumps/1.png"
    reason, message = photos.refusal({"url": "https://host.example/1.png"})
    assert reason == "malformed_row" and "url" in message


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_base64_is_an_image_bare_or_as_data_url(photos: Finding, kind: str) -> None:
    data = encoded("green", kind)
    text = base64.b64encode(data).decode()
    lines = "\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    url_safe = base64.urlsafe_b64encode(data).decode().rstrip("=")
    for each in (
        text,
        lines,
        url_safe,
        f"data:image/png;base64,{text}",
        {"bytes": text},
        f"data:image/{kind.lower()};charset=utf-8;base64,{text}",
    ):
        assert photos.bytes_of(photos.find(each)) == data


def test_base64_that_is_cut_or_damaged_is_refused(photos: Finding) -> None:
    text = base64.b64encode(encoded()).decode().rstrip("=")
    cut = text[: len(text) // 4 * 4 - 3]
    assert photos.refusal(cut)[0] == "media_truncated"
    damaged = f"data:image/png;base64,{text[:40]}!{text[41:]}"
    assert photos.refusal(damaged)[0] == "media_unreadable"
    assert photos.refusal("data:image/svg+xml,<svg/>")[0] == "media_unreadable"


def test_an_image_is_that_of_an_earlier_row(photos: Finding) -> None:
    finder = photos.finder(same_as="index")
    text = base64.b64encode(encoded()).decode()
    [first] = finder.find_all([text], {"index": 1})
    assert finder.find_all(["1"], {"index": 2.0}) == [first]
    assert finder.find_all([2], {"index": 3}) == [first]
    assert finder.find_all(["none.png"], {"index": 5}) == ["pumps/none.png"]
    with pytest.raises(RowRejectedError, match="nor the index of an earlier row with an image"):
        finder.find_all(["9"], {"index": 4})


def tar_of(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def test_members_of_archives_are_named_by_the_row(photos: Finding) -> None:
    red, blue = encoded("red"), encoded("blue")
    shards = photos.folder / "photos" / "shards"
    shards.mkdir()
    (shards / "a.tar").write_bytes(tar_of({"./x/1.png": red, "2.png": blue}))
    with zipfile.ZipFile(shards / "b.zip", "w") as made:
        made.writestr("x/1.png", blue)
    finder = photos.finder(member="shards/{shard}")
    for shard, member, data in (
        ("a.tar", "x/1.png", red),
        ("a.tar", "2.png", blue),
        ("b.zip", "x/1.png", blue),
    ):
        assert photos.bytes_of(finder.find(member, {"shard": shard})) == data
    for shard, member, reason in (
        ("a.tar", "x/9.png", "media_missing"),
        ("c.tar", "x/1.png", "media_missing"),
        ("../rows.tar", "x/1.png", "media_missing"),
        ("../../rows.tar", "x/1.png", "unsafe_path"),
    ):
        with pytest.raises(RowRejectedError) as caught:
            finder.find(member, {"shard": shard})
        assert caught.value.reason.value == reason
    finder.close()


def test_an_archive_that_is_cut_or_compressed_is_refused(photos: Finding) -> None:
    root = photos.folder / "photos"
    whole = tar_of({"1.png": encoded(size=(300, 300)) + bytes(9000)})
    (root / "cut.tar").write_bytes(whole[:2000])
    (root / "a.tar.gz").write_bytes(tar_of({"1.png": encoded()}, "w:gz"))
    assert photos.refusal("1.png", member="cut.tar")[0] in ("media_truncated", "media_unreadable")
    reason, message = photos.refusal("1.png", member="a.tar.gz")
    assert reason == "media_unreadable" and "unpack it" in message


def test_videos_follow_the_same_rules(photos: Finding) -> None:
    finder = photos.finder(videos={"replace_prefix": {"/clips/": ""}})
    assert finder.find_video("/clips/a.mp4") == "pumps/a.mp4"
    for value, reason in (
        ("../a.mp4", "unsafe_path"),
        ("https://host.example/a.mp4", "remote_media"),
        (None, "no_image"),
        (7, "malformed_row"),
    ):
        with pytest.raises(RowRejectedError) as caught:
            finder.find_video(value)
        assert caught.value.reason.value == reason
    numbered = photos.finder(videos={"pattern": "v{video:03d}.mp4"})
    assert numbered.find_video(7, {}) == "pumps/v007.mp4"


def json_rows(
    path: str, column: str, at: str | None = None
) -> Callable[[Path], Iterator[tuple[Any, Any]]]:
    def rows(folder: Path) -> Iterator[tuple[Any, Any]]:
        text = (folder / path).read_text()
        if path.endswith(".jsonl"):
            documents = []
            for line in text.splitlines():
                if line.strip():
                    try:
                        documents.append(json.loads(line))
                    except ValueError:
                        documents.append(None)
        else:
            documents = json.loads(text)
            for key in at.split(".") if at else ():
                documents = documents[key]
        for number, row in enumerate(documents, 1):
            if isinstance(row, dict):
                yield (path, None, number), (row, row.get(column))

    return rows


def csv_rows(path: str, column: str, delimiter: str = ",") -> Callable[[Path], Iterator[Any]]:
    def rows(folder: Path) -> Iterator[Any]:
        with open(folder / path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=delimiter)
            header = [name.strip() for name in next(reader)]
            for number, cells in enumerate(filter(None, reader), 1):
                if len(cells) == len(header):
                    row = dict(zip(header, cells, strict=True))
                    yield (path, None, number), (row, row[column])

    return rows


def both(*readers: Callable[[Path], Iterator[Any]]) -> Callable[[Path], Iterator[Any]]:
    return lambda folder: (row for reader in readers for row in reader(folder))


def coco_rows(folder: Path) -> Iterator[Any]:
    document = json.loads((folder / "captions.json").read_text())
    names = {str(each["id"]): each["file_name"] for each in document["images"]}
    for number, row in enumerate(document["annotations"], 1):
        if str(row["image_id"]) in names:
            yield ("captions.json", None, number), (row, names[str(row["image_id"])])


def token_rows(folder: Path) -> Iterator[Any]:
    for number, line in enumerate((folder / "Own8k.token.txt").read_text().splitlines(), 1):
        name, tab, _ = line.partition("\t")
        if tab:
            yield ("Own8k.token.txt", None, number), ({}, name.partition("#")[0])


def saved_rows(folder: Path) -> Iterator[Any]:
    for split in ("train", "val"):
        [path] = (folder / "charts_hf" / split).glob("*.arrow")
        with pa.ipc.open_stream(path.read_bytes()) as reader:
            for number, row in enumerate(reader.read_all().to_pylist(), 1):
                yield ("charts_hf", split, number), (row, row["image"])


@dataclass(frozen=True)
class OwnSet:
    """How the images of one set are named, in the words of its case.md."""

    images: Mapping[str, Any]
    rows: Callable[[Path], Iterator[Any]]


OWN_SETS = {
    "01-lavis-caption-json": OwnSet(
        {"root": "images", "replace_prefix": {"/export/home/mlee/data/mine/images/": ""}},
        both(
            json_rows("annotations/mine_train.json", "image"),
            json_rows("annotations/mine_val.json", "image"),
        ),
    ),
    "02-vqa-excel-csv": OwnSet({}, csv_rows("pumps.csv", "Image File", ";")),
    "03-vqa-two-files": OwnSet(
        {"pattern": "scans/XR_{image_id:012d}.png"},
        json_rows("my_questions.json", "image", "questions"),
    ),
    "04-llava-json-image-token": OwnSet({"root": "imgs"}, json_rows("my_llava.json", "image")),
    "06-llamafactory-multi-image": OwnSet(
        {"root": "lf_data"},
        both(
            json_rows("lf_data/cards.json", "images"),
            json_rows("lf_data/cards_alpaca.json", "images"),
        ),
    ),
    "08-internvl-meta-jsonl": OwnSet({"root": "img/p"}, json_rows("anno/a.jsonl", "image")),
    "10-hf-save-to-disk-charts": OwnSet({}, saved_rows),
    "12-imagefolder-metadata": OwnSet(
        {"root": "train"}, csv_rows("train/metadata.csv", "file_name")
    ),
    "14-coco-captions-own-export": OwnSet({"root": "frames"}, coco_rows),
    "17-multiple-choice-answer-spellings": OwnSet({}, json_rows("letters.jsonl", "img")),
    "19-flickr8k-token-lists": OwnSet({"root": "Images"}, token_rows),
    "22-picture-zoo": OwnSet({"root": "zoo"}, csv_rows("captions.csv", "image")),
    "25-many-questions-a-picture": OwnSet(
        {},
        both(json_rows("texts.jsonl", "images"), json_rows("parallel.json", "img", "data")),
    ),
    "26-jsonl-gz-shards-answers-ids": OwnSet({}, csv_rows("more.csv", "image")),
}
"""Class folders (11) name no images in rows; 21 is nested in several ways that the mapping undoes."""

MEDIA_REASONS = {
    "media_missing",
    "media_empty",
    "media_truncated",
    "media_unreadable",
    "media_too_large",
    "unsafe_path",
    "no_picture",
}


@pytest.mark.skipif(not OWN.is_dir(), reason="needs ../shared/own_data")
@pytest.mark.parametrize("name", OWN_SETS)
def test_the_images_of_own_data_are_found_and_refused_as_expected(
    name: str, tmp_path: Path
) -> None:
    own, data = OWN_SETS[name], OWN / name / "data"
    definition = Definition.model_validate(
        {"name": "own", "task": "vqa", "files": "x", "images": own.images, "base": str(data)}
    )
    found: dict[Any, list[str]] = {}
    refused: dict[Any, tuple[str, str]] = {}
    pack = tmp_path / "pack"
    with open(pack, "wb") as file:
        finder = ImageFinder(definition, LocalFiles(), file)
        for place, (columns, value) in own.rows(data):
            try:
                paths = finder.find_all([value], columns)
                assert isinstance(paths, list)
                found[place] = paths
            except RowRejectedError as error:
                refused[place] = (error.reason.value, error.message)
    root = media_folder(definition, definition.images)
    roots = MediaRoots({"own": root}, LocalFiles(), packs={"own": str(pack)})
    digests: dict[Any, list[str]] = {}
    for place, paths in found.items():
        try:
            for path in paths:
                inspect_image(roots, path)
            digests[place] = [content_digest(roots, path) for path in paths]
        except RowRejectedError as error:
            refused[place] = (error.reason.value, error.message)

    def place_of(row: Any) -> Any:
        return row["file"].removeprefix("data/"), row.get("split"), row.get("row")

    records = map(json.loads, (OWN / name / "expected.jsonl").read_text().splitlines())
    compared = 0
    for record in records:
        if record.get("optional") and place_of(record["row"]) in refused:
            continue
        if place_of(record["row"]) in digests:
            wanted = [image["sha256"] for image in record["images"]]
            given = digests[place_of(record["row"])]  # of all turns, a record has those of its own
            assert given == wanted or ("turn" in record["row"] and given[: len(wanted)] == wanted)
            compared += 1
    assert compared
    problems = json.loads((OWN / name / "expected_problems.json").read_text())
    expected = {
        place_of(each): each
        for each in problems
        if MEDIA_REASONS & set(each["reason"].split("|")) and each["severity"].startswith("reject")
    }
    for place, (reason, message) in refused.items():
        each = expected.pop(place, None)
        assert each is not None, (place, reason, message)
        assert reason.replace("no_image", "no_picture") in each["reason"].split("|"), (
            place,
            message,
        )
        lacking = [text for text in each["says"] if text not in message]
        assert not lacking or reason in ("no_image",), (place, message)
    seen = {place for place, _ in own.rows(data)}
    assert not [place for place in expected if place in seen]


def test_the_page_about_images_names_every_key() -> None:
    page = (Path(__file__).parents[4] / "docs" / "reference" / "own_images.md").read_text()
    block = yaml.safe_load(page.partition("```yaml\n")[2].partition("```")[0])
    definition = Definition.model_validate(
        {"name": "x", "task": "vqa", "files": "rows.csv", "images": block["images"]}
    )
    named = set(definition.images.model_fields_set)
    assert set(type(definition.images).model_fields) - named == {"marker", "count_markers"}
    assert set(type(definition.videos).model_fields) <= named
