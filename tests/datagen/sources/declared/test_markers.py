"""Images that a text names in its markers, as Qwen-VL's conversations do."""

import json
from pathlib import Path
from typing import Any

import pytest

from datagen.errors import UserError
from datagen.schema.adapter import Filtered
from datagen.sources.declared.definition import Images
from datagen.sources.declared.markers import Markers

QWEN = """
task: conversation
columns: {turns: conversations}
images: {marker: "Picture *: <img>{image}</img>"}
"""


def turns(*texts: str) -> list[dict[str, str]]:
    speakers = ("human", "gpt")
    return [
        {"from": speakers[place % 2], "value": text, "extra": ""}
        for place, text in enumerate(texts)
    ]


def test_each_turn_has_the_images_named_up_to_it(source: Any) -> None:
    one, two = source(QWEN).map(
        conversations=turns(
            "Picture 1: <img>a/1.jpg</img>\nPicture 2: <img>2.jpg</img>\nWhich is older?",
            "The first.",
            "And Picture 3: <img> b 3.jpg </img>?",
            "Older still.",
        )
    )
    assert one.images == ["a/1.jpg", "2.jpg"]
    assert two.images == ["a/1.jpg", "2.jpg", "b 3.jpg"]
    assert one.fields["question"] == "Which is older?"
    assert two.fields["question"] == "And ?"


def test_a_turn_before_the_first_image_is_left_out(source: Any) -> None:
    first, second = source(QWEN).map(
        conversations=turns("Hello", "Hi.", "Picture 1: <img>a.jpg</img> Which?", "This.")
    )
    assert isinstance(first, Filtered)
    assert second.images == ["a.jpg"]


def test_a_row_that_names_no_image_is_rejected(source: Any) -> None:
    reason, message = source(QWEN).rejected(conversations=turns("Hello", "Hi."))
    assert reason == "no_image"
    assert "no image named as Picture *: <img>{image}</img>" in message


def test_a_question_names_its_images(source: Any) -> None:
    text = """
    task: vqa
    columns: {question: q, answers: a}
    images: {marker: "![*]({image})"}
    """
    mapped = source(text).one(q="![one](a.png) ![](b.png) What differs?", a="the lid")
    assert mapped.images == ["a.png", "b.png"]
    assert mapped.fields["question"] == "What differs?"


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ("{image}</img>", "must begin with another character"),
        ("<img>{image}", "something behind it"),
        ("<a>{image}<b>{image}</b>", "once"),
    ],
)
def test_a_marker_has_one_image_between_other_characters(marker: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Markers.of(Images(marker=marker))


def test_an_image_is_named_in_one_place(source: Any) -> None:
    with pytest.raises(UserError, match="and so does another key"):
        source(
            """
            task: vqa
            columns: {image: i, question: q, answers: a}
            images: {marker: "<img>{image}</img>"}
            """
        )
    with pytest.raises(UserError, match=r"no column is a text that could hold \{image\}"):
        source(
            """
            task: caption
            columns: {caption: c}
            images: {marker: "<img>{image}</img>"}
            """
        )


def test_numbers_of_markers_and_images_are_said_in_english(source: Any) -> None:
    text = "task: vqa\ncolumns: {image: i, question: q, answers: a}\n"
    _, message = source(text).rejected(i="a.png", q="<image><image>What?", a="x")
    assert "2 markers <image> for 1 image" in message and "images" not in message


def test_the_images_are_found_below_the_root(check: Any, image: Any, tmp_path: Path) -> None:
    image("photos/1.png")
    image("photos/2.png")
    text = "Picture 1: <img>1.png</img>\nPicture 2: <img>2.png</img>\nWhich is red?"
    row = {"id": "x", "conversations": turns(text, "Both.")}
    (tmp_path / "a.json").write_text(json.dumps([row]))
    (record,), checker = check(
        """
        name: qwen
        task: conversation
        files: a.json
        columns: {id: id, turns: conversations}
        images: {root: photos, marker: "Picture *: <img>{image}</img>"}
        """
    )
    assert [each["file"] for each in record["images"]] == ["qwen/1.png", "qwen/2.png"]
    assert record["group"] == "1.png"
    assert not checker.problems


def test_an_image_in_two_splits_is_reported_once_for_a_row(
    check: Any, image: Any, tmp_path: Path
) -> None:
    image("1.png")
    said = turns("Picture 1: <img>1.png</img> Which?", "This.", "Why?", "So.")
    for split in ("train", "val"):
        (tmp_path / f"{split}.json").write_text(json.dumps([{"id": split, "conversations": said}]))
    _, checker = check(f"name: qwen\nfiles: {{train: train.json, val: val.json}}\n{QWEN}")
    assert [each.reason for each in checker.problems] == ["leakage"]
