from pathlib import Path
from typing import Any

import pytest

from datagen.errors import OptionError, RawDataError
from datagen.files import LocalFiles
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.normalise import resolve
from datagen.sources.declared.row import Mapped, Problem
from datagen.sources.declared.split import SplitRule

CAPTION = "task: caption\ncolumns: {image: image, caption: caption, split: Split}\n"


def row(**fields: Any) -> dict[str, Any]:
    return {"image": "a.png", "caption": "A disc."} | fields


def test_a_column_names_the_split(source: Any) -> None:
    toy = source(CAPTION + "splits: {train: [train, Train], val: [dev]}")
    assert [toy.one(**row(Split=each)).split for each in ("Train", " train", "dev")] == [
        "train",
        "train",
        "val",
    ]
    assert toy.rejected(**row(Split="test")) == (
        "unknown_split",
        "Split is 'test', known are train, Train, dev",
    )
    assert toy.rejected(**row(Split=""))[0] == "unknown_split"


def test_without_values_the_column_is_the_split(source: Any) -> None:
    assert source(CAPTION).one(**row(Split="val")).split == "val"


def test_a_file_names_the_split_of_its_rows(source: Any) -> None:
    toy = source(CAPTION.replace(", split: Split", "") + "splits: {val: [validation, dev]}")
    splits = [toy.one(each, **row()).split for each in (None, "train", "validation", "extra")]
    assert splits == ["train", "train", "val", "extra"]


LISTED = """
name: toy
task: caption
files: toy.txt
columns: {image: "split(token, '#')[0]", caption: caption}
splits: {train: {list: train.txt}, val: {list: dev.txt}}
"""


def test_lists_name_the_split_of_images(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbf1.jpg\r\n2.jpg\r\n\r\n")
    (tmp_path / "dev.txt").write_bytes(b"3.jpg\n2.jpg")
    (definition,) = parse_definitions(LISTED, base=str(tmp_path))
    problems: list[Problem] = []
    rule = SplitRule(definition, LocalFiles(), problems.append)
    rows = [{"token": f"{number}.jpg#0"} for number in (1, 2, 3)]
    assert [rule.named(each, None) for each in rows] == ["train", "train", "val"]
    (leak,) = problems
    assert (str(leak.place), leak.severity, leak.reason) == (
        "dev.txt, row 2, line 2",
        "warn",
        "leakage",
    )
    assert leak.message == "2.jpg is listed for val and for train, where it stays"
    mapping = RowMapping(definition, files=LocalFiles())
    from datagen.sources.declared.row import Place, RawRow

    (outcome,) = mapping.examples(
        RawRow(Place("toy.txt"), {"token": "4.jpg#1", "caption": "a"}), None
    )
    assert str(outcome.reason) == "unknown_split"
    assert "'4.jpg', which is in none of train.txt, dev.txt" in outcome.message


def test_a_list_that_is_missing_is_named(tmp_path: Path) -> None:
    (definition,) = parse_definitions(LISTED, base=str(tmp_path))
    with pytest.raises(
        RawDataError, match=r"train\.txt, a list of a split's members, cannot be read"
    ):
        SplitRule(definition, LocalFiles())


def held_out(text: str, images: list[Any], **options: Any) -> list[str]:
    (definition,) = parse_definitions(
        "name: toy\nfiles: a.json\ntask: caption\ncolumns: {image: image, caption: caption}\n"
        + text
    )
    rule = SplitRule(definition)
    return [
        rule.split_of(Mapped(fields={}, images=[each], **options), f"toy/{number}")
        for number, each in enumerate(images)
    ]


def test_a_hold_out_takes_about_its_share_and_always_the_same(source: Any) -> None:
    images = [{"bytes": bytes([number % 256, number // 256])} for number in range(4000)]
    found = held_out("hold_out: {share: 0.25}", images)
    assert found == held_out("hold_out: {share: 0.25}", images)
    assert 900 < found.count("val") < 1100
    other = held_out("hold_out: {share: 0.25, seed: 7}", images)
    assert other != found
    more = held_out("hold_out: {share: 0.5}", images)
    assert all(b == "val" for a, b in zip(found, more, strict=True) if a == "val")


def test_rows_of_one_image_are_in_one_split() -> None:
    images = [{"bytes": b"one"}, {"bytes": b"one", "path": "other.png"}] * 20
    assert len(set(held_out("hold_out: {share: 0.5}", images))) == 1


def test_a_hold_out_takes_from_training_alone() -> None:
    images = [{"bytes": bytes([number])} for number in range(100)]
    assert set(held_out("hold_out: {share: 0.9}", images, split="test")) == {"test"}


def test_a_hold_out_may_go_by_another_column(source: Any) -> None:
    toy = source(
        "task: caption\ncolumns: {image: image, caption: caption}\nhold_out: {share: 0.5, by: patient}"
    )
    mapped = [toy.one(**row(patient=number % 3, image=f"{number}.png")) for number in range(30)]
    assert [each.hold_out_key for each in mapped[:3]] == ["0", "1", "2"]
    rule = SplitRule(toy.definition)
    found = {(each.hold_out_key, rule.split_of(each, each.images[0])) for each in mapped}
    assert len(found) == 3


def test_a_hold_out_by_a_column_needs_the_column_and_each_row_s_value(source: Any) -> None:
    toy = source(
        "task: caption\ncolumns: {image: image, caption: caption}\nhold_out: {share: 0.5, by: patient}"
    )
    assert toy.mapping.missing_columns([row(patint="p1")]) == [
        "hold_out.by: no column 'patient', did you mean 'patint'?"
    ]
    assert toy.one(**row(patient="p1")).hold_out_key == "p1"
    assert toy.rejected(**row(patient=None)) == (
        "unknown_split",
        "patient has no value, by which hold_out chooses the row's split",
    )
    assert toy.one("test", **row()).split == "test"  # of which the hold-out takes nothing


def test_splits_without_a_column_or_files_of_splits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("image,caption\na.png,A disc.\n")
    text = "name: toy\ntask: caption\nfiles: a.csv\ncolumns: {image: image, caption: caption}\n"
    (definition,) = parse_definitions(text + "splits: {train: [yes], val: [no]}", str(tmp_path))
    with pytest.raises(OptionError, match=r"splits has no effect.*columns\.split.*files: \{train"):
        resolve(definition, LocalFiles())
