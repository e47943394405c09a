import csv
import io
from typing import Any

import pyarrow.parquet as pq
import pytest

from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}
COLUMNS = ("video_id", "start", "end", "question", *(f"answer{n}" for n in range(1, 6)))


def row(video_id: str = "a-_b", start: Any = 10, end: Any = 28, **changes: Any) -> dict[str, Any]:
    answers = dict(zip(COLUMNS[4:], ("salt", "salt", "sea salt", "salt", "pepper"), strict=True))
    times = {"video_id": video_id, "start": start, "end": end}
    return times | {"question": "What is added?"} | answers | changes


def write(raw: Any, split: str, *rows: dict[str, Any], columns: tuple[str, ...] = COLUMNS) -> None:
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    raw.write(f"ivqa/{split}.csv", text.getvalue())


def test_five_annotators_answers_are_counted(raw: Any, build: Any) -> None:
    write(raw, "test", row(question=' What is,\t"added" ? ', answer3=" sea\nsalt "))
    (record,) = build(**KEEP).records("ivqa", "test")
    assert record.record_id == "ivqa/test/a-_b_10_28"
    assert record.question == 'What is, "added" ?'
    assert record.answers == (Answer("salt", 3), Answer("sea salt", 1), Answer("pepper", 1))
    assert record.references == ("salt", "salt", "salt", "sea salt", "pepper")
    assert record.instruction == 'Question: What is, "added" ? Short answer: '
    assert record.group_id == "howto100m:a-_b"


def test_further_columns_are_not_read(raw: Any, build: Any) -> None:
    extra = {"conf1": "yes", "note": "x"}
    write(raw, "val", row(**extra), columns=(*COLUMNS[:5], "conf1", "note", *COLUMNS[5:]))
    (record,) = build(**KEEP).records("ivqa", "val")
    assert len(record.references) == 5


def test_an_annotator_without_answer_is_left_out(raw: Any, build: Any) -> None:
    write(raw, "test", row(answer2="", answer4=" "))
    (record,) = build(**KEEP).records("ivqa", "test")
    assert [(answer.text, answer.count) for answer in record.answers] == [
        ("salt", 1),
        ("sea salt", 1),
        ("pepper", 1),
    ]


@pytest.mark.parametrize(
    ("start", "end", "name"),
    [("10", "28", "a-_b_10_28"), ("10.0", "28.0", "a-_b_10_28"), ("0", "7.25", "a-_b_0_7.25")],
)
def test_without_its_file_a_record_names_the_clip(
    raw: Any, build: Any, start: str, end: str, name: str
) -> None:
    write(raw, "test", row(start=start, end=end))
    (record,) = build(**KEEP).records("ivqa", "test")
    assert (record.video.path, record.video.frame_times) == (f"howto100m/{name}.mp4", None)


def test_frames_are_from_the_clip_or_from_its_part_of_the_whole_video(
    raw: Any, build: Any, sample_raw: Any
) -> None:
    video = next((sample_raw / "videos/msrvtt").iterdir()).read_bytes()  # of 2 seconds
    raw.write("videos/howto100m/whole.mp4", video)
    raw.write("videos/howto100m/cut_10_12.mp4", video)
    raw.write("videos/howto100m/both.mp4", video)
    raw.write("videos/howto100m/both_1_3.mp4", video)
    write(raw, "test", row("whole", 1, 1.8), row("cut", 10, 12), row("both", 1, 3))
    records = {record.group_id: record.video for record in build().records("ivqa", "test")}
    assert {group: video.path for group, video in records.items()} == {
        "howto100m:whole": "howto100m/whole.mp4",
        "howto100m:cut": "howto100m/cut_10_12.mp4",
        "howto100m:both": "howto100m/both_1_3.mp4",
    }
    times = {group: video.frame_times for group, video in records.items()}
    assert times["howto100m:whole"] == pytest.approx((1.1, 1.3, 1.5, 1.7))
    assert times["howto100m:cut"] == times["howto100m:both"] == (0.25, 0.75, 1.25, 1.75)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row("c", question=""), "malformed_row"),
        (row("c", question=" "), "empty_text"),
        (row(" "), "empty_text"),
        (row("c", **dict.fromkeys(COLUMNS[4:], "")), "no_answers"),
        (row("c", start=28, end=28), "inconsistent_row"),
        (row("c", start=-1), "inconsistent_row"),
        (row("c", end="1e999"), "malformed_row"),
        (row("c", end="soon"), "malformed_row"),
        (row("../../c"), "unsafe_path"),
        (row(question="Again?"), "duplicate_id"),
    ],
)
def test_a_bad_row_is_rejected_alone(raw: Any, build: Any, bad: Any, reason: str) -> None:
    write(raw, "test", row(), bad, row("d"))
    building = build(**KEEP)
    (rejection,) = building.rejections("ivqa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("ivqa", "test")) == 2


def test_the_vocabulary_holds_answers_given_twice_in_train(raw: Any, build: Any) -> None:
    write(raw, "test", row("t", **dict.fromkeys(COLUMNS[4:], "zebra")))
    write(raw, "train", row("u"), row("v", answer1="pepper", answer2="", answer3="Salt"))
    building = build(**KEEP)
    entry = building.manifest.candidates["ivqa"]
    table = pq.read_table(building.out / entry.path)
    assert table.to_pydict() == {"answer": ["salt", "pepper"], "count": [4, 3]}
