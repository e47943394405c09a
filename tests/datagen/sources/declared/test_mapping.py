from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from datagen.errors import RawDataError, Reason
from datagen.schema.adapter import Filtered, Rejected
from datagen.schema.answers import Answer
from datagen.schema.example import MAX_TEXT_CHARS
from datagen.sources.declared.clips import OPEN_END
from datagen.sources.declared.row import Mapped, Place, RawRow

VQA = "task: vqa\ncolumns: {image: image, question: question, answers: answers, id: id}\n"


def vqa(source: Any, more: str = "") -> Any:
    return source(VQA + more)


def asked(**fields: Any) -> dict[str, Any]:
    return {"image": "a.png", "question": "Colour?", "answers": "red"} | fields


def test_a_row_becomes_an_example(source: Any) -> None:
    mapped = vqa(source).one(**asked(id=7))
    assert mapped == Mapped(
        fields={"question": "Colour?", "answers": (Answer("red", 1),)},
        images=["a.png"],
        native_id="7",
        row=asked(id=7),
    )


@pytest.mark.parametrize(
    ("given", "answers"),
    [
        (["red", "red", "dark red"], [("red", 2), ("dark red", 1)]),
        (" red ", [("red", 1)]),
        (4, [("4", 1)]),
        (108.0, [("108.0", 1)]),
        ("007", [("007", 1)]),
        (Decimal("1.50"), [("1.50", 1)]),
        (date(2026, 1, 31), [("2026-01-31", 1)]),
        (["yes", "", "yes"], [("yes", 2), ("", 1)]),
    ],
)
def test_answers_are_texts_as_they_are_written(source: Any, given: Any, answers: Any) -> None:
    mapped = vqa(source).one(**asked(answers=given))
    assert [(each.text, each.count) for each in mapped.fields["answers"]] == answers


@pytest.mark.parametrize("given", [None, "", "  ", [], ["", " "], float("nan"), [None]])
def test_no_answer_is_no_answer(source: Any, given: Any) -> None:
    reason, message = vqa(source).rejected(**asked(answers=given))
    assert reason == "no_answers"
    assert message.startswith("answers ")


@pytest.mark.parametrize("given", [{"shape": "bars"}, [["red"]], [{"answer": "red"}], True])
def test_what_is_no_text_is_rejected_by_name(source: Any, given: Any) -> None:
    reason, message = vqa(source).rejected(**asked(answers=given, id=9))
    assert reason == "malformed_row"
    assert message.startswith("answers ")
    assert message.endswith("(id 9)")


def test_a_truth_value_is_an_answer_where_its_words_are_given(source: Any) -> None:
    mapped = vqa(source, "answer: {true_words: [ja], false_words: [nein]}").one(
        **asked(answers=False)
    )
    assert mapped.fields["answers"] == (Answer("nein", 1),)


@pytest.mark.parametrize("given", ["nan", "None", "N/A", "-"])
def test_an_answer_that_may_be_lost_is_kept_and_reported(source: Any, given: str) -> None:
    toy = vqa(source)
    assert toy.one(**asked(answers=given)).fields["answers"] == (Answer(given, 1),)
    assert [(each.severity, each.reason) for each in toy.problems] == [
        ("warn", "suspicious_answer")
    ]
    declared = vqa(source, f"answer: {{missing_words: ['{given}']}}")
    assert declared.rejected(**asked(answers=given))[0] == "no_answers"


def test_a_list_in_a_cell_is_read_where_json_is_declared(source: Any) -> None:
    row = asked(answers='["red", "crimson"]')
    assert len(vqa(source, "json: answers").one(**row).fields["answers"]) == 2
    toy = vqa(source)
    assert toy.one(**row).fields["answers"] == (Answer('["red", "crimson"]', 1),)
    assert "declare `json: answers`" in toy.problems[0].message
    reason, message = vqa(source, "json: answers").rejected(**asked(answers="['blue', 'navy']"))
    assert (reason, "['blue', 'navy']" in message) == ("malformed_row", True)


def test_a_separator_parts_answers(source: Any) -> None:
    mapped = vqa(source, "answer: {separator: ';'}").one(**asked(answers="red; dark red"))
    assert [each.text for each in mapped.fields["answers"]] == ["red", "dark red"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "the column 'question' is empty"),
        (None, "the column 'question' is null"),
        (float("nan"), "the column 'question' is NaN"),
    ],
)
def test_a_question_without_text_says_what_it_was(source: Any, question: Any, message: str) -> None:
    assert vqa(source).rejected(**asked(question=question)) == ("empty_text", message)


def test_an_absent_question_is_absent(source: Any) -> None:
    assert vqa(source).rejected(image="a.png", answers="x")[1] == "the column 'question' is absent"


def test_half_a_surrogate_pair_is_rejected(source: Any) -> None:
    reason, message = vqa(source).rejected(**asked(question="caf\ud83d"))
    assert (reason, "character 4" in message) == ("invalid_encoding", True)


def test_a_question_past_the_limit_is_rejected(source: Any) -> None:
    question = "a" * (MAX_TEXT_CHARS + 1)
    assert vqa(source).rejected(**asked(question=question))[0] == "text_too_long"


def test_a_row_without_an_image_is_rejected_or_skipped(source: Any) -> None:
    for image in (None, "", [], {"bytes": None, "path": None}):
        assert vqa(source).rejected(**asked(image=image))[0] == "no_image"
    toy = vqa(source, "images: {missing_column: skip}")
    assert toy.map(**asked(image="")) == [Filtered("no image")]


def test_a_marker_without_an_image_is_rejected_even_where_rows_are_skipped(source: Any) -> None:
    toy = vqa(source, "images: {missing_column: skip}")
    reason, message = toy.rejected(**asked(image=None, question="<image>\nColour?"))
    assert (reason, "<image>" in message) == ("no_image", True)


def test_the_split_whose_answers_are_hidden_needs_none(source: Any) -> None:
    toy = vqa(source, "use: {test: hidden}")
    assert toy.one("test", **asked(answers="")).fields["answers"] is None
    assert toy.rejected("train", **asked(answers=""))[0] == "no_answers"


def test_ids_are_text_and_blank_ones_are_none(source: Any) -> None:
    toy = vqa(source)
    ids = [toy.one(**asked(id=each)).native_id for each in (7, 7.0, "7", " 7 ", "", None)]
    assert ids == ["7", "7", "7", "7", None, None]


def test_a_rejected_row_stays_rejected(source: Any) -> None:
    why = Rejected(Reason.MALFORMED_ROW, "2 cells for 5 columns")
    assert list(vqa(source).mapping.examples(RawRow(Place("a.csv"), why), None)) == [why]


def test_captions_of_a_row_are_one_example(source: Any) -> None:
    toy = source("task: caption\ncolumns: {image: image, caption: text.caption, group: image_id}")
    row = {"image": "a.png", "image_id": 5}
    mapped = toy.one(**row, text={"caption": ["a\u2028b\x00 ", "c"]})
    assert (mapped.fields, mapped.group) == ({"captions": ("a b", "c")}, "5")
    assert toy.rejected(**row, text={"caption": ""}) == (
        "empty_text",
        "the column 'text.caption' is empty",
    )
    assert (
        toy.rejected(**row, text={"caption": float("nan")})[1] == "the column 'text.caption' is NaN"
    )
    assert toy.rejected(**row, text="a")[1].startswith("text is a text where an object is due")
    assert toy.rejected(**row, text={"caption": {}})[0] == "malformed_row"


def test_labels_are_texts(source: Any) -> None:
    toy = source("task: classification\ncolumns: {image: image, label: label}\nquestion: Which?")
    mapped = toy.one(image="a.png", label="hair line")
    assert mapped.fields == {"answers": (Answer("hair line", 1),), "question": "Which?"}
    assert toy.rejected(image="a.png", label=["a", "b"])[0] == "inconsistent_row"
    assert toy.rejected(image="a.png", label=None)[0] == "no_answers"


def test_labels_may_be_named_and_taken_in_lower_case(source: Any) -> None:
    columns = "task: classification\ncolumns: {image: image, label: label}\n"
    named = source(columns + "answer: {names: {0: cat, 1: dog}}")
    for label in (1, "1", 1.0):
        assert named.one(image="a.png", label=label).fields["answers"] == (Answer("dog", 1),)
    assert named.rejected(image="a.png", label=2) == (
        "unknown_label",
        "label is 2, answer.names has 0, 1",
    )
    lower = source(columns + "answer: {lower: true}")
    assert lower.one(image="a.png", label="OK").fields["answers"] == (Answer("ok", 1),)


@pytest.mark.parametrize(
    ("given", "label"),
    [("Yes", True), ("no ", False), (True, True), (0, False), (1.0, True), ("1", True)],
)
def test_yes_and_no_are_words_or_truth_values(source: Any, given: Any, label: bool) -> None:
    toy = source("task: yes_no\ncolumns: {image: image, question: q, answers: a}")
    assert toy.one(image="a.png", q="Open?", a=given).fields == {
        "question": "Open?",
        "label": label,
    }


def test_other_words_for_yes_and_no_are_rejected_by_name(source: Any) -> None:
    toy = source("task: statement\ncolumns: {image: image, statement: s, label: a}")
    reason, message = toy.rejected(image="a.png", s="It is open.", a="maybe")
    assert reason == "malformed_row"
    assert message == "a is 'maybe', which is none of the words yes, true, 1, no, false, 0"
    german = source(
        "task: statement\ncolumns: {image: image, statement: s, label: a}\n"
        "answer: {true_words: [ja], false_words: [nein]}"
    )
    mapped = german.one(image="a.png", s="It is open.", a="JA")
    assert mapped.fields == {"statement": "It is open.", "label": True}


def test_ocr_words_are_a_list_or_a_text(source: Any) -> None:
    toy = source(
        "task: document_vqa\ncolumns: {image: image, question: q, answers: a, ocr_tokens: words}"
    )
    row = {"image": "a.png", "q": "Total?", "a": "7"}
    assert toy.one(**row, words=["Total", " ", 7]).fields["ocr_tokens"] == ("Total", "7")
    assert toy.one(**row, words="Total  7").fields["ocr_tokens"] == ("Total", "7")
    assert toy.one(**row).fields["ocr_tokens"] is None


def test_a_prompt_and_its_target_need_no_template(source: Any) -> None:
    toy = source("task: prompt\ncolumns: {image: image, prompt: [a, b], target: t}")
    mapped = toy.one(image="a.png", a="Look.", b="What is it?", t="A bus.\n\nRed.")
    assert mapped.fields == {
        "question": "Look.\nWhat is it?", "response": "A bus.\n\nRed.", "dialog": None
    }  # fmt: skip
    assert mapped.part is None
    assert toy.rejected(image="a.png", a="Look.", b=None, t={"x": 1})[1].startswith(
        "t is an object"
    )


def test_a_video_may_be_cut(source: Any) -> None:
    toy = source(
        "task: vqa\ncolumns: {video: v, start: s, end: e, question: question, answers: answers}"
    )
    row = {"v": "a.mp4", "question": "What?", "answers": "x"}
    assert toy.one(**row, s=1.5, e="0:03").clip == (1.5, 3.0)
    assert toy.one(**row).clip is None
    assert toy.one(**row, s=2, e=None).clip == (2.0, OPEN_END)
    assert toy.rejected(**row, s=4, e=2)[0] == "inconsistent_row"
    assert toy.rejected(**row, s="soon", e=2)[0] == "malformed_row"


def test_tags_are_texts(source: Any) -> None:
    toy = vqa(source).definition
    assert toy.columns.tags == {}
    tagged = source(VQA.replace("id: id", "tags: {camera: cam, ok: ok, none: zzz}"))
    assert tagged.one(**asked(cam=["a", 1], ok=True)).tags == {"camera": "a, 1", "ok": "true"}


def test_columns_that_no_row_has_are_errors_with_the_nearest_name(source: Any) -> None:
    mapping = vqa(source).mapping
    rows = [{"image": "a.png", "Question": "x", "answers": "y"}]
    assert mapping.missing_columns(rows) == [
        "columns.question: no column 'question', did you mean 'Question'?"
    ]
    rows = [{"image": "a.png", "question": "x"}]
    assert len(mapping.missing_columns(rows)) == 1
    assert mapping.missing_columns(rows, hidden=True) == []


def test_the_columns_of_a_file_are_checked_on_its_first_rows(source: Any) -> None:
    mapping = vqa(source).mapping
    broken = RawRow(Place("a.csv", row=1), Rejected(Reason.MALFORMED_ROW, "2 cells"))
    rows = [broken, RawRow(Place("a.csv", row=2), {"image": "a.png", "Question": 1, "answers": 2})]
    with pytest.raises(
        RawDataError, match=r"a\.csv: columns\.question: no column 'question', did you mean"
    ):
        list(mapping.checked(iter(rows), None))
    fine = [broken, RawRow(Place("a.csv", row=2), asked())]
    assert list(mapping.checked(iter(fine), None)) == fine
    assert list(mapping.checked(iter([broken]), None)) == [broken]


def test_columns_of_parts_and_of_joined_rows_are_no_unknown_columns(source: Any) -> None:
    toy = source(
        "task: vqa\neach: 'Q *'\ncolumns: {image: image, question: question, answers: answer}"
    )
    rows = [{"image": "a.png"}, {"image": "a.png", "Q 1": {"question": "a", "answr": "b"}}]
    assert toy.mapping.missing_columns(rows) == [
        "columns.answers: no column 'answer', did you mean 'answr'?"
    ]
    joined = source("preset: coco_captions")
    assert joined.mapping.missing_columns([{"id": 1, "image_id": 2, "caption": "a"}]) == []


def test_a_column_that_rows_may_lack_and_none_has_is_reported(source: Any) -> None:
    toy = source(
        "task: vqa\ncolumns: {image: image, question: question, answers: answer, id: qidd, tags: {kind: knd}}"
    )
    rows = [
        RawRow(
            Place("toy.json", row=1),
            {"image": "a", "question": "q", "answer": "a", "qid": 1, "kind": "k"},
        )
    ]
    assert list(toy.mapping.checked(iter(rows), None)) == rows
    assert [(each.reason, each.message) for each in toy.problems] == [
        ("absent_column", "columns.id: no column 'qidd', did you mean 'qid'?"),
        ("absent_column", "columns.tags.kind: no column 'knd', did you mean 'kind'?"),
    ]


def test_a_column_of_a_preset_that_no_row_has_is_not_reported(source: Any) -> None:
    toy = source("preset: llava")
    rows = [RawRow(Place("toy.json", row=1), {"image": "a", "conversations": []})]
    assert list(toy.mapping.checked(iter(rows), None)) == rows
    assert not toy.problems


def test_few_rows_are_held_for_a_first_look_where_they_are_large(source: Any) -> None:
    taken = []

    def rows() -> Iterator[RawRow]:
        for number in range(1000):
            taken.append(number)
            image = {"bytes": bytes(4 << 20), "path": "a.png"}
            yield RawRow(
                Place("a.parquet", number), {"image": image, "question": "Q?", "answers": "a"}
            )

    text = "task: vqa\ncolumns: {image: image, question: question, answers: answers}\n"
    checked = source(text).mapping.checked(rows(), None)
    assert next(checked).place.row == 0
    assert len(taken) < 20
