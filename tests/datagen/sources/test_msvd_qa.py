from typing import Any

import pytest

from datagen.schema.answers import Answer

KEEP = {"missing_images": "keep", "max_reject_fraction": 1.0}


def row(number: int, video: int = 1, **changes: Any) -> dict[str, Any]:
    return {"id": number, "video_id": video, "question": "who runs?", "answer": "man"} | changes


def write(
    raw: Any, *rows: dict[str, Any], mapping: bytes | str = "a-b_1_9 vid1\nc_2_3 vid2"
) -> None:
    raw.json("msvd_qa/test_qa.json", list(rows))
    raw.write("msvd_qa/youtube_mapping.txt", mapping)


def test_a_question_is_about_the_clip_of_its_number(raw: Any, build: Any) -> None:
    write(raw, row(5, 2, question=" what\tis it ? ", answer="dog "))
    (record,) = build(**KEEP).records("msvd_qa", "test")
    assert record.record_id == "msvd_qa/test/5"
    assert (record.video.path, record.group_id) == ("msvd/c_2_3.avi", "msvd:c_2_3")
    assert record.question == "what is it ?"
    assert record.answers == (Answer("dog", 1),)
    assert (record.target, record.references) == ("dog", ("dog",))
    assert record.images is None
    assert record.instruction == "Question: what is it ? Short answer: "


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (row(2, 77), "inconsistent_row"),
        (row(2, question=" "), "empty_text"),
        (row(2, answer=""), "empty_text"),
        (row(2, answer=None), "malformed_row"),
        (row(2, video_id="1"), "malformed_row"),
        (row(1, question="again?"), "duplicate_id"),
    ],
)
def test_a_bad_row_is_rejected_alone(raw: Any, build: Any, bad: Any, reason: str) -> None:
    write(raw, row(1), bad, row(3))
    building = build(**KEEP)
    (rejection,) = building.rejections("msvd_qa")
    assert (rejection.row, rejection.reason) == (1, reason)
    assert len(building.records("msvd_qa", "test")) == 2


@pytest.mark.parametrize(
    "mapping",
    [
        "a-b_1_9 vid1\r\nc_2_3 vid2\r\n",
        "\ufeffa-b_1_9 vid1\nc_2_3 vid2",
        "\n\na-b_1_9   vid1\n\n",
        "x_0_1 vid1\na-b_1_9 vid1",
    ],
)
def test_the_mapping_is_read_in_whatever_lines(raw: Any, build: Any, mapping: str) -> None:
    write(raw, row(1), mapping=mapping)
    (record,) = build(**KEEP).records("msvd_qa", "test")
    assert record.video.path == "msvd/a-b_1_9.avi"


def test_a_clip_whose_name_leads_elsewhere_is_rejected(raw: Any, build: Any) -> None:
    write(raw, row(1), row(2, 2), mapping="../../x vid1\nc_2_3 vid2")
    building = build(**KEEP)
    (rejection,) = building.rejections("msvd_qa")
    assert (rejection.row, rejection.reason) == (0, "unsafe_path")


def test_missing_clips_are_rejected_unless_references_are_kept(raw: Any, build: Any) -> None:
    write(raw, row(1), row(2, 2))
    entry = build("kept", **KEEP).manifest.split("msvd_qa", "test")
    assert entry.written == 2
    building = build("lost", max_missing_fraction=1.0)
    assert building.manifest.split("msvd_qa", "test").rejected == {"media_missing": 2}
    message = "msvd/a-b_1_9.avi: there is no folder for 'msvd'"
    assert building.rejections("msvd_qa")[0].message == message
