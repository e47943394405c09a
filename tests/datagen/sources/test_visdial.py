from typing import Any

import pytest

from datagen.schema.example import Turn

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}
QUESTIONS = ["is it red", "is it big", "how many", " "]
ANSWERS = ["yes", "no", "2", "maybe\n", ""]


def turn_of(question: int, answer: int, /, **changes: Any) -> dict[str, Any]:
    options = [0, 1, 2, 3, 4]
    row = {
        "question": question,
        "answer": answer,
        "answer_options": options,
        "gt_index": options.index(answer),
    }
    return row | changes


def dialog(image_id: int, *rounds: dict[str, Any], caption: str = "a bus ") -> dict[str, Any]:
    return {"image_id": image_id, "caption": caption, "dialog": list(rounds)}


def write(raw: Any, split: str, *dialogs: dict[str, Any]) -> None:
    data = {"questions": QUESTIONS, "answers": ANSWERS, "dialogs": dialogs}
    document = {"version": "1.0", "split": split, "data": data}
    raw.json(f"visdial/visdial_1.0_{split}.json", document)


def dense(raw: Any, *rows: dict[str, Any]) -> None:
    raw.json("visdial/visdial_1.0_val_dense_annotations.json", list(rows))


def rounds(building: Any, split: str) -> dict[str, Any]:
    return {r.record_id.rsplit("/", 1)[1]: r for r in building.records("visdial", split)}


def reasons(building: Any) -> list[tuple[str, str]]:
    return [
        (each.message.split(":")[0], each.reason.value) for each in building.rejections("visdial")
    ]


def test_a_round_knows_the_rounds_before_it(raw: Any, build: Any) -> None:
    write(raw, "val", dialog(9, turn_of(0, 1), turn_of(2, 2), turn_of(1, 0)))
    found = rounds(build(**KEEP), "val")
    assert set(found) == {"9#round1", "9#round2", "9#round3"}
    assert found["9#round1"].dialog is None
    last = found["9#round3"]
    assert last.dialog == (Turn("is it red", "no"), Turn("how many", "2"))
    assert last.captions == ("a bus",)
    assert last.candidates == ("yes", "no", "2", "maybe", "")
    assert (last.correct_choice, last.target) == (0, "yes")
    assert last.instruction == (
        "Dialog history: q: is it red a: no q: how many a: 2\n Question: is it big Short answer: "
    )
    assert last.group_id == "visdial:9"


def test_relevance_belongs_to_one_round(raw: Any, build: Any) -> None:
    write(raw, "val", dialog(9, turn_of(0, 1), turn_of(2, 2)), dialog(8, turn_of(0, 0)))
    dense(raw, {"image_id": 9, "round_id": 2, "gt_relevance": [0.0, 0.5, 1.0, 0.0, 0.25]})
    found = rounds(build(**KEEP), "val")
    assert found["9#round2"].relevance == (0.0, 0.5, 1.0, 0.0, 0.25)
    assert found["9#round1"].relevance is None
    assert found["8#round1"].relevance is None


def test_a_dense_annotation_that_cannot_be_used_is_not_dropped_in_silence(
    raw: Any, build: Any
) -> None:
    write(raw, "val", *(dialog(n, turn_of(0, 1), turn_of(2, 2)) for n in range(1, 6)))
    dense(
        raw,
        {"image_id": 1, "round_id": 1, "gt_relevance": [1.0, 0.0]},
        {"image_id": 2, "round_id": "1", "gt_relevance": [0.0] * 5},
        {"image_id": 3, "round_id": 0, "gt_relevance": [0.0] * 5},
        {"image_id": 4, "round_id": 3, "gt_relevance": [0.0] * 5},
        {"round_id": 1},
        {"image_id": 5, "round_id": 1, "gt_relevance": [0.0] * 5},
    )
    building = build(**KEEP)
    start = "its dense annotation: "
    assert [each.message for each in building.rejections("visdial")] == [
        "no 'image_id', an integer or text",
        f"{start}2 relevances for 5 options of round 1",
        f"{start}Expected `int`, got `str` - at `$.round_id`",
        f"{start}5 relevances for 0 options of round 0",
        f"{start}5 relevances for 0 options of round 3",
    ]
    found = rounds(building, "val")
    assert len(found) == 10
    assert {name for name, r in found.items() if r.relevance is not None} == {"5#round1"}
    assert building.manifest.split("visdial", "val").read == 15


def test_the_answers_of_test_are_hidden(raw: Any, build: Any) -> None:
    turn = {"question": 0, "answer": 1}
    asked_last = {"question": 2, "answer_options": [0, 1, 2]}
    write(raw, "test", dialog(9, turn, turn, asked_last), dialog(8, asked_last))
    building = build(**KEEP)
    found = rounds(building, "test")
    assert set(found) == {"9#round3", "8#round1"}
    last = found["9#round3"]
    assert last.dialog == (Turn("is it red", "no"),) * 2
    assert last.candidates == ("yes", "no", "2")
    assert (last.answers, last.correct_choice, last.target, last.references) == (None,) * 4
    entry = building.manifest.split("visdial", "test")
    assert (entry.filtered, entry.rejected) == ({"history_only": 2}, {})


def test_training_images_are_looked_for_in_both_folders(raw: Any, build: Any) -> None:
    raw.coco(9, folder="val2014")
    raw.coco(8)
    write(raw, "train", dialog(9, turn_of(0, 1)), dialog(8, turn_of(0, 1)))
    found = rounds(build(**KEEP), "train")
    paths = {name: record.images[0].path for name, record in found.items()}
    assert paths == {
        "9#round1": "coco/val2014/COCO_val2014_000000000009.jpg",
        "8#round1": "coco/train2014/COCO_train2014_000000000008.jpg",
    }
    assert {record.group_id for record in found.values()} == {"coco:9", "coco:8"}


def test_a_training_image_under_another_suffix_is_found_in_either_folder(
    raw: Any, build: Any
) -> None:
    raw.coco(9, folder="val2014")
    (image,) = (raw.root / "images/coco/val2014").iterdir()
    image.rename(image.with_suffix(".png"))
    write(raw, "train", dialog(9, turn_of(0, 1)))
    (record,) = rounds(build(), "train").values()
    assert record.images[0].path == "coco/val2014/COCO_val2014_000000000009.png"


def test_a_training_image_that_is_in_no_folder_is_rejected(raw: Any, build: Any) -> None:
    raw.coco(8)
    write(raw, "train", dialog(7, turn_of(0, 1), turn_of(2, 2)), dialog(8, turn_of(0, 1)))
    building = build(max_reject_fraction=1.0, max_missing_fraction=1.0)
    assert set(rounds(building, "train")) == {"8#round1"}
    first, second = building.rejections("visdial")
    assert (first.reason, second.reason) == ("media_missing", "media_missing")
    assert first.message == (
        "round 1: neither coco/train2014/COCO_train2014_000000000007.jpg nor "
        "coco/val2014/COCO_val2014_000000000007.jpg exists, and the row does not say which it is"
    )
    entry = building.manifest.split("visdial", "train")
    assert (entry.read, entry.written, entry.rejected) == (3, 1, {"media_missing": 2})


def test_a_training_image_that_is_in_no_folder_is_left_out_where_references_are_kept(
    raw: Any, build: Any
) -> None:
    raw.coco(8)
    write(raw, "train", dialog(7, turn_of(0, 1), turn_of(2, 2)), dialog(8, turn_of(0, 1)))
    building = build(missing_images="keep")
    assert set(rounds(building, "train")) == {"8#round1"}
    assert building.rejections("visdial") == []
    entry = building.manifest.split("visdial", "train")
    assert (entry.read, entry.written, entry.filtered) == (3, 1, {"media_path_unknown": 2})


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (turn_of(99, 0), "index_out_of_range"),
        (turn_of(-1, 0), "index_out_of_range"),
        (turn_of(0, 0, answer=99), "index_out_of_range"),
        (turn_of(0, 0, answer=None), "index_out_of_range"),
        (turn_of(0, 0, answer_options=[0, 99]), "index_out_of_range"),
        (turn_of(0, 0, gt_index=1), "inconsistent_row"),
        (turn_of(0, 0, gt_index=-5), "inconsistent_row"),
        (turn_of(0, 0, gt_index=None), "inconsistent_row"),
        (turn_of(0, 0, answer_options=[]), "inconsistent_row"),
        (turn_of(3, 0), "empty_text"),
        (turn_of(0, 4), "empty_text"),
    ],
)
def test_a_bad_round_costs_itself_and_the_rounds_after_it(
    raw: Any, build: Any, bad: dict[str, Any], reason: str
) -> None:
    write(raw, "val", dialog(9, turn_of(0, 1), bad, turn_of(1, 0)), dialog(8, turn_of(0, 0)))
    building = build(**KEEP)
    assert set(rounds(building, "val")) == {"9#round1", "8#round1"}
    assert reasons(building) == [("round 2", reason), ("round 3", "inconsistent_row")]
    messages = [each.message for each in building.rejections("visdial")]
    assert messages[1] == "round 3: round 2 of this dialog, before it, cannot be used"
    entry = building.manifest.split("visdial", "val")
    assert (entry.rows, entry.read, entry.written) == (2, 4, 2)


def test_a_dialog_without_rounds_is_rejected(raw: Any, build: Any) -> None:
    write(raw, "val", dialog(9), dialog(8, turn_of(0, 0)))
    assert reasons(build(**KEEP)) == [("a dialog without rounds", "empty_text")]


def test_a_blank_caption_is_absent(raw: Any, build: Any) -> None:
    raw.coco(9)
    write(raw, "train", dialog(9, turn_of(0, 1), caption=" \n"))
    record = rounds(build(**KEEP), "train")["9#round1"]
    assert record.captions is None
    assert "Caption" not in record.instruction


def test_rounds_without_options_have_no_candidates(raw: Any, build: Any) -> None:
    raw.coco(9)
    write(raw, "train", dialog(9, {"question": 0, "answer": 1}))
    record = rounds(build(**KEEP), "train")["9#round1"]
    assert (record.candidates, record.correct_choice, record.target) == (None, None, "no")
