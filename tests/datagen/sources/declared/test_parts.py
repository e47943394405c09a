from typing import Any

from datagen.schema.adapter import Filtered, Rejected
from datagen.sources.declared.row import Mapped

KEYS = "task: vqa\neach: Question *\ncolumns: {image: image, question: question, answers: answer}\n"
PAIRS = "task: vqa\neach: texts\ncolumns: {image: images, question: user, answers: assistant}\n"
LISTS = "task: vqa\neach: [questions, answers]\ncolumns: {image: i, question: questions, answers: answers}"


def asked(found: list[Any]) -> list[tuple[str, str]]:
    return [
        (each.part, each.fields["question"]) if isinstance(each, Mapped) else ("-", each.message)
        for each in found
    ]


def test_keys_with_a_wildcard_are_questions(source: Any) -> None:
    toy = source(KEYS)
    row = {"Question 1": {"question": "Shape?", "answer": "disc"}, "note": "x",
           "Question 10": {"question": "Corners?", "answer": 4}, "Question 2": {"question": "Colour?"}}  # fmt: skip
    assert asked(toy.map(image="a.png", **row)) == [
        ("Question 1", "Shape?"),
        ("Question 10", "Corners?"),
        ("-", "Question 2: answer has no value, which is no answer"),
    ]
    assert toy.rejected(image="a.png") == ("empty_text", "no column is named like 'Question *'")


def test_a_list_of_objects_is_questions(source: Any) -> None:
    toy = source(PAIRS)
    texts = [{"user": "", "assistant": "Bars."}, {"user": "How many?", "assistant": "Four."}]
    assert asked(toy.map(images=["a.png"], texts=texts)) == [
        ("-", "entry 1: the column 'user' is empty"),
        ("2", "How many?"),
    ]
    assert toy.rejected(images=[], texts=texts)[0] == "no_image"
    assert toy.rejected(images=["a.png"], texts=[]) == ("empty_text", "texts has no entries")
    assert toy.rejected(images=["a.png"], texts="x")[0] == "malformed_row"


def test_a_row_without_an_image_is_left_out_once(source: Any) -> None:
    toy = source(PAIRS + "images: {missing_column: skip}")
    texts = [{"user": "a", "assistant": "b"}] * 2
    assert toy.map(images=[], texts=texts) == [Filtered("no image")]


def test_parallel_lists_must_be_as_long(source: Any) -> None:
    toy = source(LISTS)
    found = toy.map(i="a.png", questions=["Rises?", "Colour?"], answers=["yes", ["red", "pink"]])
    assert asked(found) == [("1", "Rises?"), ("2", "Colour?")]
    assert len(found[1].fields["answers"]) == 2
    assert toy.rejected(i="a.png", questions=["a", "b", "c"], answers=["x", "y"]) == (
        "inconsistent_row",
        "lists of different length: questions has 3, answers has 2; which belong together is not known",
    )


def test_a_list_of_texts_is_a_caption_each(source: Any) -> None:
    toy = source("task: caption\neach: captions\ncolumns: {image: image, caption: captions}")
    found = toy.map(image="a.png", captions=["a", "b"])
    assert [(each.part, each.fields) for each in found] == [
        ("1", {"captions": ("a",)}),
        ("2", {"captions": ("b",)}),
    ]


def test_a_part_may_have_an_image_of_its_own(source: Any) -> None:
    toy = source("task: caption\neach: views\ncolumns: {image: file, caption: text}")
    found = toy.map(views=[{"file": "a.png", "text": "a"}, {"text": "b"}])
    assert found[0].images == ["a.png"]
    assert isinstance(found[1], Rejected)
    assert found[1].message.startswith("entry 2: no image in file")
