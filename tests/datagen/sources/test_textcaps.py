from typing import Any

import pytest

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["textcaps"]}


def row(image_id: Any, caption_id: Any, text: Any, *others: str, **changes: Any) -> dict[str, Any]:
    """A row of train or val; `others` are the image's other captions, in front of its own."""
    found = {
        "image_id": image_id,
        "image_path": f"elsewhere/{image_id}.jpg",
        "caption_id": caption_id,
        "caption_str": text,
        "reference_strs": [*others, text],
    }
    return found | changes


def write(raw: Any, split: str, *rows: dict[str, Any], ocr: Any = None) -> None:
    document = {"dataset_type": split, "dataset_version": 0.1, "data": rows}
    raw.json(f"textcaps/TextCaps_0.1_{split}.json", document)
    if ocr is not None:
        raw.json(f"textcaps/TextVQA_Rosetta_OCR_v0.2_{split}.json", {"data": ocr})


def words(image_id: str, *tokens: Any) -> dict[str, Any]:
    return {"image_id": image_id, "ocr_tokens": tokens, "ocr_info": [{"word": "x"}]}


def by_id(building: Any, split: str) -> dict[str, Any]:
    records = building.records("textcaps", split)
    return {r.record_id.removeprefix(f"textcaps/{split}/"): r for r in records}


def outcomes(building: Any) -> list[tuple[int | None, str]]:
    return [(each.row, each.reason.value) for each in building.rejections("textcaps")]


def test_in_training_each_caption_is_a_record(raw: Any, build: Any) -> None:
    rows = [row("011e7e62", 5, "A shop\nsign", "A sign"), row("011e7e62", 4, "A sign")]
    write(raw, "train", *rows)
    found = by_id(build(**KEEP), "train")
    assert {name: r.captions for name, r in found.items()} == {
        "4": ("A sign",),
        "5": ("A shop sign",),
    }
    record = found["5"]
    assert record.images[0].path == "textvqa/train_images/011e7e62.jpg"
    assert (record.group_id, record.task) == ("openimages:011e7e62", "caption_ocr")
    assert record.references == ("A shop sign",)
    assert record.ocr_tokens is None
    assert "OCR" not in record.instruction


def test_in_validation_the_rows_of_an_image_make_one_record(raw: Any, build: Any) -> None:
    """Rows of an image lie apart, in any order."""
    rows = [
        row("b", 9, "b9"),
        row("a", 3, "a3", reference_strs=["a1", "a2", "a3"]),
        row("b", 8, "b8", reference_strs=["b9", "b8"]),
        row("a", 1, "a1", reference_strs=["a1", "a2", "a3"]),
        row("c", 7, "c7"),
        row("a", 2, "a2", reference_strs=["a1", "a2", "a3"]),
    ]
    write(raw, "val", *rows)
    building = build(**KEEP)
    found = by_id(building, "val")
    assert {name: r.references for name, r in found.items()} == {
        "a": ("a1", "a2", "a3"),
        "b": ("b9", "b8"),
        "c": ("c7",),
    }
    assert found["a"].images[0].path == "textvqa/train_images/a.jpg"
    assert found["a"].instruction == "A short image caption."
    entry = building.manifest.split("textcaps", "val")
    assert (entry.rows, entry.read, entry.written) == (6, 6, 3)
    assert (entry.filtered, entry.rejected) == ({"same_picture": 3}, {})


def test_in_test_captions_are_hidden(raw: Any, build: Any) -> None:
    write(raw, "test", {"image_id": "d", "set_name": "test"}, ocr=[words("d", "STOP")])
    (record,) = by_id(build(**KEEP), "test").values()
    assert record.record_id == "textcaps/test/d"
    assert record.images[0].path == "textvqa/test_images/d.jpg"
    assert (record.captions, record.target, record.references) == (None, None, None)
    assert record.ocr_tokens == ("STOP",)
    assert record.instruction == "OCR tokens: STOP. A short image caption."


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("a", 2, " \r\n"), "empty_text"),
        (row("a", 2, None), "malformed_row"),
        (row("a", "2", "text"), "malformed_row"),
        (row(7, 2, "text"), "malformed_row"),
        (row("", 2, "text"), "empty_text"),
        (row("../a", 2, "text"), "unsafe_path"),
        (row("a", 1, "again"), "duplicate_id"),
    ],
)
def test_a_bad_caption_is_rejected_alone(raw: Any, build: Any, bad: Any, reason: str) -> None:
    write(raw, "train", row("a", 1, "one"), bad, row("a", 3, "three"))
    building = build(**KEEP)
    assert outcomes(building) == [(1, reason)]
    assert set(by_id(building, "train")) == {"1", "3"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("a", 1, "x", reference_strs=[]), "no_answers"),
        (row("a", 1, "x", reference_strs=["x", " "]), "empty_text"),
        (row("a", 1, "x", reference_strs=None), "malformed_row"),
    ],
)
def test_references_that_cannot_be_used_cost_their_image(
    raw: Any, build: Any, bad: Any, reason: str
) -> None:
    """A score over fewer references would be another score."""
    write(raw, "val", row("a", 2, "y"), bad, row("b", 3, "z"))
    building = build(**KEEP)
    assert set(by_id(building, "val")) == {"b"}
    assert outcomes(building) == [(1, reason)]
    assert building.manifest.split("textcaps", "val").filtered == {"same_picture": 1}


def test_a_row_without_id_leaves_its_image_to_the_others(raw: Any, build: Any) -> None:
    write(raw, "val", row("a", None, "x", "y"), row("a", 2, "y", "x"))
    building = build(**KEEP)
    assert by_id(building, "val")["a"].references == ("x", "y")
    assert outcomes(building) == [(0, "malformed_row")]


def test_all_tokens_are_kept_and_thirty_are_shown(raw: Any, build: Any) -> None:
    tokens = [f"W{number}" for number in range(40)]
    for split in ("train", "val"):
        write(raw, split, row("a", 1, "x"), ocr=[words("a", *tokens)])
    building = build(**KEEP)
    for split in ("train", "val"):
        (record,) = by_id(building, split).values()
        assert record.ocr_tokens == tuple(tokens)
        assert record.instruction.startswith(f"OCR tokens: {', '.join(tokens[:30])}. ")
        assert "W30" not in record.instruction


def test_an_image_without_tokens_has_none(raw: Any, build: Any) -> None:
    """No token was found in `a`, none with text in `b`; `c` is not in the file."""
    rows = [row(image_id, n, "x") for n, image_id in enumerate("abcd")]
    ocr = [words("a"), words("b", "", "\n"), words("d", " PARK\n", "", "IT"), words("z", "NO")]
    write(raw, "train", *rows, ocr=ocr)
    building = build(**KEEP)
    found = {r.group_id[-1]: r.ocr_tokens for r in building.records("textcaps", "train")}
    assert found == {"a": None, "b": None, "c": None, "d": ("PARK", "IT")}
    assert outcomes(building) == []


def test_an_ocr_row_that_cannot_be_decoded_costs_its_captions(raw: Any, build: Any) -> None:
    rows = [row("a", 1, "x"), row("b", 2, "y"), row("a", 3, "z")]
    write(raw, "train", *rows, ocr=[words("a", 5), words("b", "B"), words("b", "SECOND")])
    building = build(**KEEP)
    (record,) = by_id(building, "train").values()
    assert (record.record_id, record.ocr_tokens) == ("textcaps/train/2", ("B",))
    assert sorted(outcomes(building), key=str) == [
        (0, "malformed_row"),
        (2, "malformed_row"),
        (None, "duplicate_id"),
    ]
    messages = {each.message for each in building.rejections("textcaps") if each.row == 0}
    assert all(message.startswith("its row of ocr: Expected `str`") for message in messages)


def test_the_samples_tokens_are_printed_in_its_captions(referenced: Any) -> None:
    with_tokens = 0
    for split in ("train", "val"):
        for record in referenced.records("textcaps", split):
            for token in record.ocr_tokens or ():
                assert all(token in caption for caption in record.captions)
                with_tokens += 1
    assert with_tokens > 20
