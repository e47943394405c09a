from typing import Any

import pytest

from datagen.schema.adapter import Filtered, Rejected
from datagen.schema.example import Turn
from datagen.sources.declared.row import Mapped

LLAVA = "preset: llava\n"


def said(*texts: Any, image: Any = "a.jpg", speakers: str = "hg", **more: Any) -> dict[str, Any]:
    names = {"h": "human", "g": "gpt", "s": "system", "t": "tool"}
    order = (speakers * len(texts))[: len(texts)]
    turns = [{"from": names[who], "value": text} for who, text in zip(order, texts, strict=True)]
    return {"image": image, "conversations": turns} | more


def test_each_answer_is_an_example_with_the_turns_before_it(source: Any) -> None:
    first, second = source(LLAVA).map(
        **said("<image>\nWhat?", "A bus.\n\nRed.", "Sure?", "Yes.", id=3)
    )
    assert first == Mapped(
        fields={"question": "What?", "response": "A bus.\n\nRed.", "dialog": None},
        images=["a.jpg"],
        part="turn1",
        native_id="3",
        row=first.row,
    )
    assert (second.part, second.images) == ("turn2", ["a.jpg"])
    assert second.fields["dialog"] == (Turn("What?", "A bus.\n\nRed."),)


@pytest.mark.parametrize(
    ("question", "without"),
    [
        ("<image>\nWhat?", "What?"),
        ("What?\n<image>", "What?"),
        ("What?", "What?"),
        ("Look at <image> and name it.", "Look at and name it."),
        ("Look.\n<image>\nName it.", "Look.\nName it."),
        ('Write "<image>" in words.', 'Write "" in words.'),
        ("Look<image>here", "Look here"),
        ("  <image>  What?  ", "What?"),
    ],
)
def test_the_marker_goes_with_the_blanks_around_it(
    source: Any, question: str, without: str
) -> None:
    assert source(LLAVA).one(**said(question, "A bus.")).fields["question"] == without


def test_a_marker_may_hold_the_image_itself(source: Any) -> None:
    toy = source(
        "preset: llava\nimages: {marker: 'Picture 1: <img>*</img>'}\n"
        "columns: {image: \"split(split(conversations[0].value, '<img>')[1], '</img>')[0]\"}"
    )
    row = said("Picture 1: <img>a/b.jpg</img>\nWhat?", "A bus.")
    mapped = toy.one(conversations=row["conversations"])
    assert (mapped.images, mapped.fields["question"]) == (["a/b.jpg"], "What?")


def test_another_marker_may_be_declared(source: Any) -> None:
    toy = source(f"{LLAVA}images: {{marker: '[IMG]'}}")
    assert toy.one(**said("[IMG] What is <image>?", "x")).fields["question"] == "What is <image>?"


@pytest.mark.parametrize(
    ("images", "question", "reason", "message"),
    [
        ("a.jpg", "<image><image>Compare.", "inconsistent_row", "2 markers <image> for 1 image"),
        (["a.jpg", "b.jpg"], "<image>What?", "inconsistent_row", "1 marker <image> for 2 images"),
        (None, "<image>What?", "no_image", "no image in image, but the marker <image>"),
        (None, "What?", "no_image", "no image in image; images: {missing_column: skip}"),
    ],
)
def test_markers_and_images_must_be_as_many(
    source: Any, images: Any, question: str, reason: str, message: str
) -> None:
    found = source(LLAVA).rejected(**said(question, "Yes.", image=images))
    assert found[0] == reason
    assert found[1].startswith(message)


def test_markers_need_not_be_counted(source: Any) -> None:
    toy = source(f"{LLAVA}images: {{count_markers: false}}")
    assert toy.one(**said("<image><image>Compare.", "Yes.")).images == ["a.jpg"]


def test_a_marker_in_an_answer_is_rejected(source: Any) -> None:
    reason, message = source(LLAVA).rejected(**said("<image>Say it.", "The tag is <image>"))
    assert (reason, "holds the image marker <image>" in message) == ("inconsistent_row", True)


def test_a_turn_has_the_images_shown_up_to_it(source: Any) -> None:
    toy = source(LLAVA)
    first, second = toy.map(
        **said("<image>First?", "Bars.", "<image>And now?", "A line.", image=["x.png", "y.png"])
    )
    assert (first.images, second.images) == (["x.png"], ["x.png", "y.png"])
    greeting, question = toy.map(**said("Hello.", "Hi.", "<image>What?", "A bus."))
    assert greeting == Filtered("no image was shown up to this turn")
    assert question.fields["dialog"] == (Turn("Hello.", "Hi."),)
    both = toy.one(**said("What?", "A bus.", image=["x.png", "y.png"]))
    assert both.images == ["x.png", "y.png"]


@pytest.mark.parametrize(
    ("row", "reason", "message"),
    [
        (
            said("Hello.", speakers="g"),
            "inconsistent_row",
            "messages of assistant where one of user",
        ),
        (said("a", "b", speakers="hh"), "inconsistent_row", "messages of user and user where"),
        (said("a"), "no_answers", "a question without an answer"),
        (said("a", ""), "empty_text", "message 2 of conversations is empty"),
        (said("<image>", "b"), "empty_text", "message 1 of conversations is empty"),
        (said("a", None), "empty_text", "message 2 of conversations is null"),
        (said("a", {"x": 1}), "malformed_row", "message 2 of conversations is an object"),
        (said("a", "b", speakers="ht"), "inconsistent_row", "has the role 'tool', known are human"),
        (said("a", "b\nUSER: c"), "inconsistent_row", "the speaker marker 'USER:'"),
        (said(), "empty_text", "conversations has no turns"),
        ({"image": "a.jpg"}, "empty_text", "conversations has no turns"),
        ({"image": "a.jpg", "conversations": "x"}, "malformed_row", "conversations is a text"),
        ({"image": "a.jpg", "conversations": [{"role": "user"}]}, "malformed_row", "no key 'from'"),
        ({"image": "a.jpg", "conversations": ["a"]}, "malformed_row", "is a text, not an object"),
    ],
)
def test_turns_out_of_order_are_rejected(source: Any, row: Any, reason: str, message: str) -> None:
    found = source(LLAVA).rejected(**row)
    assert found[0] == reason
    assert message in found[1]


def test_what_follows_a_broken_turn_is_rejected_too(source: Any) -> None:
    first, second, third = source(LLAVA).map(**said("a", "b", "c", "", "e", "f"))
    assert isinstance(first, Mapped)
    assert isinstance(second, Rejected)
    assert third == Rejected(
        second.reason.INCONSISTENT_ROW, "turn 3: turn 2, before it, cannot be used"
    )


def test_the_systems_text_is_left_out_and_reported(source: Any) -> None:
    toy = source(LLAVA)
    assert toy.one(**said("Be brief.", "a", "b", speakers="shg")).fields["question"] == "a"
    assert [each.reason for each in toy.problems] == ["system_turn"]
    toy.problems.clear()
    toy.one(**said("", "a", "b", speakers="shg"))
    assert toy.problems == []
    found = toy.map(**said("a", "b", "c", speakers="hsg"))
    assert [each.reason.value for each in found] == ["inconsistent_row"] * 2


def test_roles_are_named_and_compared_without_case(source: Any) -> None:
    toy = source(
        "preset: sharegpt\ncolumns: {turns: messages}\nroles: {role: role, content: content}"
    )
    turns = [{"role": "User", "content": "a"}, {"role": "ASSISTANT", "content": "b"}]
    assert toy.one(images=["a.jpg"], messages=turns).fields["response"] == "b"


def test_a_content_may_be_a_list_of_texts_and_images(source: Any) -> None:
    toy = source(
        "task: conversation\ncolumns: {image: 'messages[].content[].image', turns: messages}\n"
        "roles: {role: role, content: content}"
    )
    content = [{"type": "image", "image": "a.jpg"}, {"type": "text", "text": "What?"}]
    mapped = toy.one(
        messages=[{"role": "user", "content": content}, {"role": "assistant", "content": "A bus."}]
    )
    assert (mapped.images, mapped.fields["question"]) == (["a.jpg"], "What?")


def test_alpaca_rows_have_a_history_of_pairs(source: Any) -> None:
    toy = source("preset: alpaca")
    row = {"images": ["a.jpg"], "instruction": "Answer.", "input": "Which?", "output": "Green."}
    first, second = toy.map(**row, history=[["A disc?", "No."]], system="")
    assert (first.part, first.fields["response"]) == ("turn1", "No.")
    assert second.fields["question"] == "Answer.\nWhich?"
    assert second.fields["dialog"] == (Turn("A disc?", "No."),)
    assert toy.one(**row | {"input": None}).fields["question"] == "Answer."
    reason, message = toy.rejected(**row | {"output": {"shape": "bars"}})
    assert (reason, message.startswith("output is an object")) == ("malformed_row", True)


def test_a_hidden_answer_ends_a_dialog(source: Any) -> None:
    toy = source(f"{LLAVA}use: {{test: hidden}}")
    first, last = toy.map("test", **said("a", "b", "c"))
    assert (first.fields["response"], last.fields["response"]) == ("b", None)
