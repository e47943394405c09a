from typing import Any

import pytest

from datagen.schema.example import Turn
from datagen.sources import load_source

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}
FILE = "llava_instruct/conversation_58k.json"


def dialog(*texts: str, image: str = "000000000009.jpg", speakers: str = "hg") -> dict[str, Any]:
    """Messages of human and gpt in turn by default."""
    names = {"h": "human", "g": "gpt", "s": "system"}
    order = (speakers * len(texts))[: len(texts)] if speakers == "hg" else speakers
    talk = [{"from": names[who], "value": text} for who, text in zip(order, texts, strict=True)]
    return {"id": image.removesuffix(".jpg"), "image": image, "conversations": talk}


def turns(building: Any) -> dict[str, Any]:
    return {
        record.record_id.rsplit("/", 1)[1]: record
        for record in building.records("llava_conversation", "train")
    }


def test_a_turn_knows_the_turns_before_it(raw: Any, build: Any) -> None:
    raw.json(FILE, [dialog("<image>\nWhat is it?", "A bus.", "Red?", "Yes.", "Why?", "Paint.")])
    found = turns(build(**KEEP))
    assert list(sorted(found)) == [f"000000000009#turn{number}" for number in (1, 2, 3)]
    first, second, third = (found[f"000000000009#turn{number}"] for number in (1, 2, 3))
    assert (first.question, first.response, first.dialog) == ("What is it?", "A bus.", None)
    assert second.dialog == (Turn("What is it?", "A bus."),)
    assert third.dialog == (Turn("What is it?", "A bus."), Turn("Red?", "Yes."))
    assert third.instruction == "What is it?\nA bus.\nRed?\nYes.\nWhy?"
    assert (third.target, third.references) == ("Paint.", ("Paint.",))
    assert third.answers is None
    assert third.images[0].path == "coco/train2017/000000000009.jpg"
    assert third.group_id == "coco:9"


@pytest.mark.parametrize(
    "question",
    [
        "<image>\nWhat is it?",
        "What is it?\n<image>",
        "<image> What is it?",
        "What is it?<image>",
        "<image>\r\nWhat is it?\n",
        "What is it?",
    ],
)
def test_the_mark_of_the_image_goes_wherever_it_stands(raw: Any, build: Any, question: str) -> None:
    raw.json(FILE, [dialog(question, "A bus.")])
    (record,) = turns(build(**KEEP)).values()
    assert record.question == "What is it?"


def test_between_two_lines_the_mark_leaves_one_line_break(raw: Any, build: Any) -> None:
    raw.json(FILE, [dialog("Look.\n<image>\nWhat is it?", "A bus.")])
    (record,) = turns(build(**KEEP)).values()
    assert record.question == "Look.\nWhat is it?"


def test_answers_keep_their_paragraphs(raw: Any, build: Any) -> None:
    answer = "Two reasons:\r\n\r\n1. It is red.\n2. It\u2028has wheels.\x07\n"
    raw.json(FILE, [dialog("Why?\n<image>", answer, "And?", "No.")])
    found = turns(build(**KEEP))
    text = "Two reasons:\n\n1. It is red.\n2. It\nhas wheels."
    assert found["000000000009#turn1"].target == text
    assert found["000000000009#turn2"].dialog == (Turn("Why?", text),)


@pytest.mark.parametrize(
    ("bad", "first", "message"),
    [
        (dialog("a", "b", "c", speakers="hgh"), "no_answers", "a question without an answer"),
        (
            dialog("a", "b", "c", "d", speakers="hggh"),
            "inconsistent_row",
            "gpt and human speak, not human and gpt",
        ),
        (
            dialog("a", "b", "c", "d", speakers="hghh"),
            "inconsistent_row",
            "human and human speak, not human and gpt",
        ),
        (dialog("a", "b", "c", speakers="hgg"), "inconsistent_row", "gpt speak"),
        (dialog("a", "b", "<image>\n", "d"), "empty_text", "question is empty"),
        (dialog("a", "b", "c", " \n"), "empty_text", "response is empty"),
    ],
)
def test_a_turn_that_cannot_be_used_is_rejected(
    raw: Any, build: Any, bad: dict[str, Any], first: str, message: str
) -> None:
    raw.json(FILE, [bad])
    building = build(**KEEP)
    assert set(turns(building)) == {"000000000009#turn1"}
    (rejection,) = building.rejections("llava_conversation")
    assert rejection.reason == first
    assert rejection.message.startswith(f"turn 2: {message}")


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("Human: What is it?", "Human:"),
        ("Assistant: A bus.", "Assistant:"),
        ("A bus.\n Human : And then?", "Human :"),
        ("A bus.###Human: And then?", "###Human:"),
        ("A bus. ### Assistant: A car.", "### Assistant:"),
        ("A bus.\r\n###\n", "###"),
        ("A bus.</s>", "</s>"),
        ("A bus. USER: And then? ASSISTANT: A car.", "USER:"),
        ("GPT: A bus.", "GPT:"),
    ],
)
@pytest.mark.parametrize("part", ["question", "response"])
def test_a_marker_of_speakers_inside_a_turn_rejects_it_and_the_turns_after_it(
    raw: Any, build: Any, text: str, marker: str, part: str
) -> None:
    pair = (text, "d") if part == "question" else ("c", text)
    raw.json(FILE, [dialog("a", "b", *pair, "e", "f")])
    building = build(**KEEP)
    assert set(turns(building)) == {"000000000009#turn1"}
    first, after = building.rejections("llava_conversation")
    assert first.reason == "inconsistent_row"
    assert first.message == f"turn 2: the {part} holds the speaker marker {marker!r}"
    assert after.message.startswith("turn 3: turn 2 of this dialog")
    entry = building.manifest.split("llava_conversation", "train")
    assert entry.rejected == {"inconsistent_row": 2}


@pytest.mark.parametrize(
    "text",
    [
        "### The bus\nIt is red.",
        "A human: tall, old.",
        "The assistant: who is he?",
        "Humans wait for the bus.",
        "The user presses C#.",
    ],
)
def test_words_and_headings_that_are_no_markers_stay(raw: Any, build: Any, text: str) -> None:
    raw.json(FILE, [dialog("a", text)])
    (record,) = turns(build(**KEEP)).values()
    assert record.response == text


def test_the_turns_after_a_bad_one_are_rejected_with_it(raw: Any, build: Any) -> None:
    bad = dialog("a", "b", "c", " ", "e", "f", "g", "h")
    raw.json(FILE, [bad, dialog("a", "b", image="000000000008.jpg")])
    building = build(**KEEP)
    assert set(turns(building)) == {"000000000009#turn1", "000000000008#turn1"}
    rejections = building.rejections("llava_conversation")
    assert [each.reason for each in rejections] == ["empty_text", *["inconsistent_row"] * 2]
    after = "turn 2 of this dialog, before it, cannot be used"
    assert [each.message for each in rejections[1:]] == [f"turn 3: {after}", f"turn 4: {after}"]
    entry = building.manifest.split("llava_conversation", "train")
    assert (entry.rows, entry.read, entry.written, entry.groups) == (2, 5, 2, 2)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"conversations": []}, "empty_text"),
        ({"image": "bus.jpg"}, "malformed_row"),
        ({"image": "../000000000009.jpg"}, "malformed_row"),
        ({"image": None}, "malformed_row"),
        ({"id": 9}, "malformed_row"),
        ({"conversations": [{"from": "human"}]}, "malformed_row"),
    ],
)
def test_a_dialog_that_cannot_be_used_is_rejected_once(
    raw: Any, build: Any, change: dict[str, Any], reason: str
) -> None:
    good = dialog("a", "b", image="000000000008.jpg")
    raw.json(FILE, [dialog("a", "b", "c", "d") | change, good])
    building = build(**KEEP)
    (rejection,) = building.rejections("llava_conversation")
    assert (rejection.row, rejection.reason) == (0, reason)
    assert set(turns(building)) == {"000000000008#turn1"}


def test_an_id_that_comes_again_is_not_dropped_in_silence(raw: Any, build: Any) -> None:
    raw.json(FILE, [dialog("a", "b", "c", "d"), dialog("e", "f")])
    building = build(**KEEP)
    assert {name: record.target for name, record in turns(building).items()} == {
        "000000000009#turn1": "b",
        "000000000009#turn2": "d",
    }
    (rejection,) = building.rejections("llava_conversation")
    assert (rejection.row, rejection.reason) == (1, "duplicate_id")


def test_the_three_parts_read_one_folder_and_share_ids_but_not_records(
    raw: Any, build: Any
) -> None:
    files = {
        "llava_conversation": "conversation_58k.json",
        "llava_detail": "detail_23k.json",
        "llava_reasoning": "complex_reasoning_77k.json",
    }
    for source, name in files.items():
        raw.json(f"llava_instruct/{name}", [dialog("<image>\nWhat?", f"From {source}.")])
    building = build(**KEEP)
    for source, name in files.items():
        card = load_source(source).card
        assert (card.folder, card.held_in) == ("llava_instruct", True)
        assert [file.name for file in card.files] == [name]
        (record,) = building.records(source, "train")
        assert record.record_id == f"{source}/train/000000000009#turn1"
        assert record.target == f"From {source}."
