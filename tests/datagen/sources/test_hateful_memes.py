import json
from typing import Any

import pytest

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0, "sources": ["hateful_memes"]}
FILES = {
    "train": "train",
    "val": "dev_seen",
    "val_unseen": "dev_unseen",
    "test": "test_seen",
    "test_unseen": "test_unseen",
}


def meme(number: Any = 1743, **changes: Any) -> dict[str, Any]:
    row = {
        "id": number,
        "img": f"img/{int(number):05d}.png",
        "label": 0,
        "text": "what a nice day",
    }
    return row | changes


def write(raw: Any, *rows: dict[str, Any], file: str = "dev_seen") -> None:
    lines = [json.dumps(row).replace("img/", "img\\/") for row in rows]
    raw.write(f"hateful_memes/{file}.jsonl", "\n".join(lines))


def test_a_meme_has_a_text_and_a_label(raw: Any, build: Any) -> None:
    write(raw, meme(), meme(42953, label=1, text=" Its THEIR\ncharacter "))
    records = {r.record_id: r for r in build(**KEEP).records("hateful_memes", "val")}
    assert set(records) == {"hateful_memes/val/1743", "hateful_memes/val/42953"}
    record = records["hateful_memes/val/42953"]
    assert record.text == "Its THEIR character"
    assert (record.label, record.target, record.references) == (True, "yes", ("yes",))
    assert record.images[0].path == "hateful_memes/img/42953.png"
    assert record.group_id == "hateful_memes:42953"
    assert record.instruction == (
        'This is an image with: "Its THEIR character" written on it. Is it hateful? Answer: '
    )
    assert records["hateful_memes/val/1743"].label is False


@pytest.mark.parametrize(("split", "file"), FILES.items())
def test_every_split_has_its_file(raw: Any, build: Any, split: str, file: str) -> None:
    write(raw, meme(), file=file)
    building = build(**KEEP)
    (record,) = building.records("hateful_memes", split)
    assert record.label is False
    assert {missing.split for missing in building.plan.missing} == FILES.keys() - {split}


@pytest.mark.parametrize("number", [1743, "01743", "1743"])
def test_a_number_and_its_text_are_one_id(raw: Any, build: Any, number: Any) -> None:
    write(raw, meme(number))
    (record,) = build(**KEEP).records("hateful_memes", "val")
    assert record.record_id == "hateful_memes/val/1743"
    assert record.images[0].path == "hateful_memes/img/01743.png"
    assert record.group_id == "hateful_memes:1743"


def test_two_spellings_of_one_id_are_a_repetition(raw: Any, build: Any) -> None:
    write(raw, meme(1743), meme("01743"), meme(5))
    building = build(**KEEP)
    (rejection,) = building.rejections("hateful_memes")
    assert (rejection.row, rejection.reason) == (1, "duplicate_id")
    assert len(building.records("hateful_memes", "val")) == 2


@pytest.mark.parametrize("split", ["test", "test_unseen"])
def test_a_test_meme_may_lack_its_label(raw: Any, build: Any, split: str) -> None:
    unlabelled = meme(2)
    del unlabelled["label"]
    write(raw, meme(1, label=1), unlabelled, meme(3, label=None), file=FILES[split])
    building = build(**KEEP)
    records = {r.record_id: r for r in building.records("hateful_memes", split)}
    assert records[f"hateful_memes/{split}/1"].target == "yes"
    for number in (2, 3):
        record = records[f"hateful_memes/{split}/{number}"]
        assert (record.label, record.target, record.references) == (None, None, None)
        assert record.instruction.startswith("This is an image with: ")
    assert building.rejections("hateful_memes") == []


@pytest.mark.parametrize("split", ["train", "val", "val_unseen"])
def test_elsewhere_a_label_is_needed(raw: Any, build: Any, split: str) -> None:
    write(raw, meme(1), meme(2, label=None), file=FILES[split])
    building = build(**KEEP)
    (rejection,) = building.rejections("hateful_memes")
    assert (rejection.row, rejection.reason) == (1, "no_answers")
    assert rejection.message == f"a meme of {split} without label"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"label": 2}, "malformed_row"),
        ({"label": "1"}, "malformed_row"),
        ({"text": ""}, "empty_text"),
        ({"img": ""}, "empty_text"),
        ({"img": "../../x.png"}, "unsafe_path"),
        ({"id": " "}, "empty_text"),
        ({"id": None}, "malformed_row"),
    ],
)
def test_a_bad_meme_is_rejected_alone(
    raw: Any, build: Any, changes: dict[str, Any], reason: str
) -> None:
    write(raw, meme(1), meme(2) | changes, meme(3))
    building = build(**KEEP)
    (rejection,) = building.rejections("hateful_memes")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("hateful_memes", "val")) == 2
