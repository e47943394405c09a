from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import OptionError, RawDataError, Reason


def test_images_have_the_first_folder_on_the_way_as_their_label(own: Any) -> None:
    own.image("train/ok/1.png", "train/ok/deep er/2.JPG", "train/rust/1.webp", "val/ok/3.png")
    assert own.read({"train": "train", "val": "val"}) == [
        {"image": "train/ok/1.png", "label": "ok"},
        {"image": "train/ok/deep er/2.JPG", "label": "ok"},
        {"image": "train/rust/1.webp", "label": "rust"},
        {"image": "val/ok/3.png", "label": "ok"},
    ]
    assert own.rows[0].place.file == "train/ok/1.png"
    assert own.problems == []


def test_images_are_named_relative_to_the_root_of_images(own: Any) -> None:
    own.image("photos/ok/1.png")
    assert own.read("photos", images={"root": "photos"}) == [{"image": "ok/1.png", "label": "ok"}]


def test_what_is_no_image_of_a_class_is_told_and_files_of_the_system_are_not(own: Any) -> None:
    own.image("train/ok/1.png", "train/loose.png")
    own.put("train/ok/notes.txt", "x")
    for name in (".DS_Store", "ok/Thumbs.db", "scratch/.gitkeep", "ok/._1.png", ".cache/x.png"):
        own.put(f"train/{name}")
    assert own.read("train") == [{"image": "train/ok/1.png", "label": "ok"}]
    assert own.reported() == [
        ("train/loose.png", "warn", "no_label"),
        ("train/ok/notes.txt", "count", "not_an_image"),
        ("train/scratch", "warn", "empty_class"),
    ]


def test_folders_that_are_named_like_splits_are_splits(own: Any) -> None:
    own.image("photos/train/ok/1.png", "photos/val/ok/2.png")
    (own.folder / "photos" / "notes").mkdir()
    assert own.found("photos") == [
        ("photos/train", "train", "class_folders"),
        ("photos/val", "val", "class_folders"),
    ]
    assert [row["label"] for row in own.read("photos")] == ["ok", "ok"]


def test_a_class_of_trains_is_no_split(own: Any) -> None:
    own.image("photos/bus/1.png", "photos/train/2.png")
    assert own.found("photos") == [("photos", None, "class_folders")]
    assert [row["label"] for row in own.read("photos")] == ["bus", "train"]


def test_folders_of_images_beside_splits_are_refused(own: Any) -> None:
    own.image("photos/train/ok/1.png", "photos/extra/2.png")
    with pytest.raises(RawDataError, match=r"holds the splits train and beside them folders of im"):
        own.read("photos")


def test_one_split_is_not_given_to_a_folder_of_several(own: Any) -> None:
    own.image("photos/train/ok/1.png", "photos/val/ok/2.png")
    with pytest.raises(OptionError, match=r"holds the splits train, val; say which is mine: files"):
        own.read({"mine": "photos"})
    assert own.found({"val": "photos"}) == [("photos/val", "val", "class_folders")]


def metadata(own: Any, name: str, rows: list[dict[str, Any]]) -> None:
    if name.endswith(".csv"):
        text = "\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)])
        own.put(name, text)
    elif name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows), own.put(name))
    else:
        own.put(name, "\n".join(map(str, rows)).replace("'", '"'))


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_images_are_named_by_a_metadata_file_beside_them(own: Any, name: str) -> None:
    own.image("photos/1.png", "photos/sub/2.png", "photos/3.png")
    rows = [{"file_name": "1.png", "text": "a"}, {"file_name": "sub/2.png", "text": "b"}]
    metadata(own, f"photos/{name}", rows)
    assert own.read("photos") == [
        {"file_name": "1.png", "text": "a", "image": "photos/1.png"},
        {"file_name": "sub/2.png", "text": "b", "image": "photos/sub/2.png"},
    ]
    assert own.rows[0].place.file == f"photos/{name}"
    assert own.rows[0].place.row == 1
    assert own.reported() == [("photos/3.png", "warn", "image_without_row")]


def test_metadata_in_folders_below_name_images_beside_them(own: Any) -> None:
    own.image("photos/a/1.png", "photos/b/1.png")
    metadata(own, "photos/a/metadata.csv", [{"file_name": "1.png", "text": "a"}])
    metadata(own, "photos/b/metadata.jsonl", [{"file_name": "1.png", "text": "b"}])
    assert own.found("photos") == [("photos", None, "imagefolder")]
    assert [row["image"] for row in own.read("photos")] == ["photos/a/1.png", "photos/b/1.png"]


def test_folders_with_metadata_of_their_own_are_splits(own: Any) -> None:
    for split in ("train", "test"):
        metadata(own, f"photos/{split}/metadata.jsonl", [{"file_name": "1.png", "text": "a"}])
    assert own.found("photos") == [
        ("photos/test", "test", "imagefolder"),
        ("photos/train", "train", "imagefolder"),
    ]


def test_metadata_above_folders_named_like_splits_describes_them_all(own: Any) -> None:
    own.image("photos/train/1.png", "photos/test/2.png")
    rows = [{"file_name": "train/1.png", "text": "a"}, {"file_name": "test/2.png", "text": "b"}]
    metadata(own, "photos/metadata.csv", rows)
    assert own.found("photos") == [("photos", None, "imagefolder")]
    assert len(own.read("photos")) == 2
    assert own.problems == []


def test_urls_absolute_and_absent_names_of_images_are_left_to_who_finds_images(own: Any) -> None:
    rows = '{"file_name": "https://x.org/a//b.png"}\n{"file_name": null}\n{"file_name": "/x/1.png"}'
    own.put("photos/metadata.jsonl", rows)
    images = [row["image"] for row in own.read("photos")]
    assert images == ["https://x.org/a//b.png", None, "/x/1.png"]


def test_a_row_without_file_name_is_rejected_in_json_lines(own: Any) -> None:
    own.put("photos/metadata.jsonl", '{"file": "1.png"}\n{"file_name": "1.png"}')
    reason, message = own.rejected("photos")
    assert (reason, message) == (Reason.MALFORMED_ROW, "no column 'file_name' but file")


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.parquet"])
def test_a_table_without_the_column_file_name_is_refused(own: Any, name: str) -> None:
    metadata(own, f"photos/{name}", [{"image": "1.png", "text": "a"}])
    with pytest.raises(RawDataError, match=r"has no column 'file_name' but image, text"):
        own.read("photos")


def test_an_image_folder_without_metadata_is_refused(own: Any) -> None:
    own.image("photos/1.png")
    with pytest.raises(RawDataError, match=r"photos holds no metadata\.csv, metadata\.jsonl or"):
        own.read("photos", format={"type": "imagefolder"})


def test_a_metadata_row_may_name_several_images(own: Any) -> None:
    own.image("photos/1.png", "photos/2.png")
    own.put("photos/metadata.jsonl", '{"file_names": ["1.png", "2.png"], "text": "a"}')
    (row,) = own.read("photos")
    assert row["image"] == ["photos/1.png", "photos/2.png"]
    assert own.problems == []


def test_links_to_folders_are_followed_and_circles_are_not(own: Any) -> None:
    own.image("elsewhere/rust/1.png", "photos/ok/1.png")
    (own.folder / "photos" / "rust").symlink_to(own.folder / "elsewhere" / "rust")
    (own.folder / "photos" / "ok" / "round").symlink_to(own.folder / "photos")
    (own.folder / "elsewhere" / "rust" / "on").symlink_to(own.folder / "elsewhere" / "rust")
    values = own.read("photos", format={"type": "class_folders"})
    assert sorted(row["image"] for row in values) == ["photos/ok/1.png", "photos/rust/1.png"]


def test_a_file_whose_name_is_not_utf_8_costs_itself(own: Any) -> None:
    own.image("photos/ok/1.png", "photos/ok/gr\udcfcn.png")
    own.put("photos/ok/n\udcf6tes.txt")
    reason, message = own.rejected("photos")
    assert reason is Reason.INVALID_ENCODING
    assert message == r"the name of the file photos/ok/gr\xfcn.png is not utf-8; rename it"
    assert own.reported() == [(r"photos/ok/n\xf6tes.txt", "count", "not_an_image")]
    assert len(own.rows) == 2


def test_images_named_by_absolute_paths_have_rows(own: Any, monkeypatch: Any) -> None:
    own.image("set/a.png", "set/b.png", "set/c.png", "set/d.png")
    names = [str(own.folder / "set/a.png"), "/other/machine/b.png", "./c.png"]
    own.put("set/metadata.csv", "file_name,text\n" + "".join(f"{n},x\n" for n in names))
    monkeypatch.chdir(own.folder)  # paths relative to here are the same files
    own.read("set", images={"replace_prefix": {"/other/machine/": "set"}})
    assert own.reported() == [("set/d.png", "warn", "image_without_row")]
