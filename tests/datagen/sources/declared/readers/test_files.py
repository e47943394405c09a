import hashlib
from typing import Any

import pytest

from datagen.errors import OptionError, RawDataError
from datagen.files import LocalFiles
from datagen.sources.declared.readers.files import digest, find_files


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "json"),
        ("a.JSONL", "jsonl"),
        ("a.ndjson.gz", "jsonl"),
        ("a.b.csv", "csv"),
        ("a.csv.gz", "csv"),
        ("a.tsv", "tsv"),
        ("a.parquet", "parquet"),
        ("a.pq", "parquet"),
        ("a.arrow", "arrow"),
        ("a-000000.tar", "webdataset"),
        ("a.tar.gz", "webdataset"),
        ("a.tgz", "webdataset"),
    ],
)
def test_the_format_follows_from_the_name(own: Any, name: str, kind: str) -> None:
    own.put(name)
    assert own.found(name) == [(name, None, kind)]


def test_the_format_is_what_the_definition_says(own: Any) -> None:
    own.put("rows.data")
    assert own.found("rows.data", format={"type": "jsonl"}) == [("rows.data", None, "jsonl")]
    with pytest.raises(
        RawDataError,
        match=r"format of rows\.data does not follow from its name; give format: .*csv",
    ):
        own.found("rows.data")


def test_files_are_found_by_name_glob_and_list_sorted_and_once(own: Any) -> None:
    for name in ("b.csv", "a.csv", "sub/c.csv", "d.json"):
        own.put(name)
    assert [name for name, *_ in own.found(["d.json", "*.csv", "a.csv", "**/*.csv"])] == [
        "d.json",
        "a.csv",
        "b.csv",
        "sub/c.csv",
    ]


def test_files_have_the_splits_that_they_are_named_under(own: Any) -> None:
    for name in ("t-1.jsonl", "t-0.jsonl", "v.csv"):
        own.put(name)
    assert own.found({"train": "t-*.jsonl", "val": ["v.csv"]}) == [
        ("t-0.jsonl", "train", "jsonl"),
        ("t-1.jsonl", "train", "jsonl"),
        ("v.csv", "val", "csv"),
    ]


def test_a_name_with_brackets_is_a_name_where_there_is_such_a_file(own: Any) -> None:
    own.put("rows [1].csv")
    own.put("rows 1.csv")
    assert own.found("rows [1].csv") == [("rows [1].csv", None, "csv")]
    assert own.found("rows [1-3].csv") == [("rows 1.csv", None, "csv")]


def test_a_file_in_two_splits_is_refused(own: Any) -> None:
    own.put("a.csv")
    with pytest.raises(OptionError, match=r"a\.csv is in the splits train and val; name it under"):
        own.found({"train": "*.csv", "val": "a.csv"})


def test_a_missing_file_names_the_nearest_one(own: Any) -> None:
    own.put("pumps.csv")
    with pytest.raises(
        RawDataError, match=r"there is no file 'pump\.csv' in .*, did you mean 'pumps\.csv'\?"
    ):
        own.found("pump.csv")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x/y.csv", r"the folder .*/x does not exist"),
        ("zz.csv", r"paths are relative to the source file"),
    ],
)
def test_a_missing_file_says_where_it_was_looked_for(own: Any, name: str, why: str) -> None:
    with pytest.raises(RawDataError, match=why):
        own.found(name)


def test_a_pattern_that_matches_nothing_is_refused(own: Any) -> None:
    own.put("a.csv")
    with pytest.raises(RawDataError, match=r"files '\*\.json' matches nothing in "):
        own.found("*.json")


@pytest.mark.parametrize("held", ["rows.jsonl", "a.png"])
def test_a_folder_of_nothing_that_is_known_names_what_it_holds(own: Any, held: str) -> None:
    own.put(f"photos/{held}")
    with pytest.raises(
        RawDataError, match=rf"without images in folders; it holds {held}; name the"
    ):
        own.found("photos")


def test_files_outside_of_the_folder_are_named_relative_to_it(own: Any) -> None:
    path = own.put("elsewhere/a.csv", "image\n")
    base = own.folder / "defs"
    assert own.found(str(path), base=str(base)) == [("../elsewhere/a.csv", None, "csv")]


class Stored(LocalFiles):
    """A bucket: URLs of files in a folder."""

    def __init__(self, folder: Any) -> None:
        self.folder = folder

    def _local(self, path: str) -> str:
        assert path.startswith("gs://bucket/"), path
        return path.replace("gs://bucket", str(self.folder))

    def exists(self, path: str) -> bool:
        return super().exists(self._local(path))

    def open_binary(self, path: str) -> Any:
        return super().open_binary(self._local(path))

    def match(self, pattern: str) -> list[str]:
        found = super().match(self._local(pattern))
        return [path.replace(str(self.folder), "gs://bucket") for path in found]


@pytest.mark.parametrize("base", ["gs://bucket/own", "/nowhere"])
def test_files_of_an_object_store_are_found_through_files_alone(own: Any, base: str) -> None:
    own.put("own/a-1.csv", "image\nx.png\n")
    start = "" if base.startswith("gs") else "gs://bucket/own/"
    definition = own.definition({"train": f"{start}a-*.csv"}, base=base)
    (found,) = find_files(definition, Stored(own.folder))
    assert found.path == "gs://bucket/own/a-1.csv"
    assert found.name == ("a-1.csv" if base.startswith("gs") else found.path)
    assert digest(Stored(own.folder), found)[0] == len("image\nx.png\n")
    missing = own.definition(f"{start}b.csv", base=base)
    with pytest.raises(RawDataError, match=r"there is no file .*b\.csv"):
        find_files(missing, Stored(own.folder))


def test_the_digest_of_a_file_is_that_of_its_bytes(own: Any) -> None:
    own.put("a.csv", b"image\n")
    (found,) = find_files(own.definition("a.csv"), LocalFiles())
    assert digest(LocalFiles(), found) == (6, hashlib.sha256(b"image\n").hexdigest())


def test_the_digest_of_a_folder_changes_with_its_files_and_not_with_its_images_bytes(
    own: Any,
) -> None:
    own.image("photos/1.png")
    own.put("photos/metadata.csv", "file_name,text\n1.png,a\n")

    def taken() -> tuple[int, str]:
        (found,) = find_files(own.definition("photos"), LocalFiles())
        return digest(LocalFiles(), found)

    first = taken()
    assert taken() == first
    own.put("photos/.DS_Store", "x")
    image = (own.folder / "photos" / "1.png").read_bytes()
    own.put("photos/1.png", image[:-1] + b"!")
    assert taken() == first
    own.put("photos/metadata.csv", "file_name,text\n1.png,b\n")
    second = taken()
    assert second != first
    own.put("photos/2.png", image)
    assert taken() not in (first, second)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("a.xlsx", r"is an Excel workbook.*CSV UTF-8"),
        ("a.XML", r"is XML.*JSON lines"),
        ("a.zip", r"is an archive.*unpack it"),
        ("a.pkl", r"is a Python pickle.*could run code"),
    ],
)
def test_a_known_format_that_is_not_read_says_what_to_do(own: Any, name: str, advice: str) -> None:
    own.put(name, b"x")
    with pytest.raises(RawDataError, match=advice):
        own.found(name)


def test_a_missing_file_beside_the_source_file_names_the_nearest_one(
    own: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.put("pumps.csv")
    monkeypatch.chdir(own.folder)
    with pytest.raises(RawDataError, match=r"did you mean 'pumps\.csv'\?"):
        own.found("pump.csv", base=".")
