import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from datagen.errors import Reason
from datagen.files import LocalFiles
from datagen.schema.adapter import Rejected
from datagen.sources.declared.join import Joins, join_name
from datagen.sources.declared.load import parse_definitions
from datagen.sources.declared.mapping import RowMapping
from datagen.sources.declared.row import Place, Problem, RawRow

VQA = """
name: toy
task: vqa
files: questions.json
join: {file: answers.json, rows: annotations, by: qid}
columns: {image: image, question: question, answers: 'annotations.answers[].text', id: qid}
"""


@pytest.fixture(autouse=True, params=["in memory", "in a database", "moved on the way"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything holds of rows in memory, in a database, and moved to it after a few."""
    bound = {"in memory": 1 << 30, "in a database": -1, "moved on the way": 700}[request.param]
    monkeypatch.setattr("datagen.sources.declared.join.MEMORY_BYTES", bound)


class Joined:
    """A source whose joined rows are given."""

    def __init__(self, text: str, *rows: Any, file: str = "answers.json") -> None:
        (self.definition,) = parse_definitions(text)
        self.problems: list[Problem] = []
        self.rows, self.file = rows, file
        self.joins = Joins(self.definition, LocalFiles(), self.problems.append, self.read)
        self.mapping = RowMapping(self.definition, self.joins, self.problems.append)

    def read(self, join: Any) -> Iterator[RawRow]:
        for number, row in enumerate(self.rows, start=1):
            yield RawRow(Place(self.file, row=number), row)

    def map(self, file: str = "questions.json", **row: Any) -> Any:
        (outcome,) = self.mapping.examples(RawRow(Place(file, row=1), row), None)
        return outcome

    def said(self) -> list[tuple[str, str, int]]:
        return [(p.severity, str(p.reason), p.place.row or 0) for p in self.problems]


def answer(key: Any, text: str = "red", **more: Any) -> dict[str, Any]:
    return {"qid": key, "answers": [{"text": text}]} | more


def question(key: Any, **more: Any) -> dict[str, Any]:
    return {"qid": key, "question": "Colour?", "image": "a.png"} | more


@pytest.mark.parametrize(("left", "right"), [(5, 5), ("5", 5), (5, "5"), (5.0, " 5 ")])
def test_keys_are_compared_as_text(left: Any, right: Any) -> None:
    toy = Joined(VQA, answer(4, "blue"), answer(right))
    assert toy.map(**question(left)).fields["answers"][0].text == "red"


def test_a_row_without_its_partner_is_rejected() -> None:
    toy = Joined(VQA, answer(1))
    assert toy.map(**question(6)) == Rejected(
        Reason.NO_ANNOTATION, "no row of annotations has qid '6' (id 6)"
    )
    assert "is empty" in toy.map(**question(None)).message


def test_rows_that_nobody_asks_for_are_reported_at_the_end() -> None:
    toy = Joined(VQA, *(answer(key) for key in range(20)))
    for key in (3, 8, 19):
        toy.map(**question(key))
    toy.joins.finish()
    assert {row for _, _, row in toy.said()} == set(range(1, 21)) - {4, 9, 20}
    assert {(severity, reason) for severity, reason, _ in toy.said()} == {("warn", "no_question")}
    assert toy.problems[0].message.startswith("no row asks for qid 0 of annotations: ")


def test_a_second_row_of_a_key_is_reported_and_the_first_is_used() -> None:
    toy = Joined(VQA, answer(1, "red"), answer("1", "blue"), answer(2))
    assert toy.map(**question(1)).fields["answers"][0].text == "red"
    assert toy.said() == [("reject", "duplicate_id", 2)]


def test_many_rows_may_belong_to_one() -> None:
    text = VQA.replace("by: qid", "by: qid, many: true").replace(
        "annotations.answers[].text", "annotations[].text"
    )
    toy = Joined(
        text, {"qid": 1, "text": "red"}, {"qid": 2, "text": "x"}, {"qid": 1, "text": "pink"}
    )
    assert [a.text for a in toy.map(**question(1)).fields["answers"]] == ["red", "pink"]
    assert toy.problems == []


def test_rows_that_cannot_be_read_or_have_no_key_are_rejected() -> None:
    broken = Rejected(Reason.MALFORMED_ROW, "not JSON")
    toy = Joined(VQA, broken, {"answers": []}, answer(1), answer("x", "half \ud83d"))
    toy.map(**question(1))
    assert toy.said() == [
        ("reject", "malformed_row", 1),
        ("reject", "malformed_row", 2),
        ("reject", "invalid_encoding", 4),
    ]


def test_joined_rows_may_not_name_another_image() -> None:
    text = VQA.replace("image: image,", "").replace("columns: {", "columns: {")
    toy = Joined(
        text + "images: {pattern: '{image_id:04d}.png'}\n",
        answer(1, image_id=345),
        answer(2, image_id="12"),
    )
    outcome = toy.map(**question(1, image_id=12))
    assert outcome == Rejected(
        Reason.INCONSISTENT_ROW, "image_id is 12, but 345 in annotations (id 1)"
    )
    assert toy.map(**question(2, image_id=12)).images == []


COCO = """
name: toy
preset: coco_captions
files: {train: a.json, val: b.json}
"""


def test_a_join_without_a_file_is_of_the_rows_own_file() -> None:
    toy = Joined(
        COCO, {"id": 1, "file_name": "cam/1.png"}, {"id": 2, "file_name": "2.png"}, file="a.json"
    )
    caption = {"id": 9, "image_id": "1", "caption": "A disc."}
    mapped = toy.map("a.json", **caption)
    assert (mapped.images, mapped.native_id) == (["cam/1.png"], "9")
    assert toy.map("b.json", **caption).reason is Reason.NO_ANNOTATION
    toy.joins.finish()
    assert toy.said() == [("count", "image_without_row", 2)]
    assert "2.png" in toy.problems[0].message


def test_the_name_of_a_join_follows_from_its_rows_or_its_file() -> None:
    names = []
    for join in ("{file: a/b.jsonl.gz, by: x}", "{file: a.json, rows: data.items, by: x}",
                 "{file: a.json, by: x, name: other}", "{hub: {repo: org/captions}, by: x}"):  # fmt: skip
        text = VQA.replace(
            "join: {file: answers.json, rows: annotations, by: qid}", f"join: [{join}]"
        )
        (definition,) = parse_definitions(text)
        assert isinstance(definition.join, list)
        names.append(join_name(definition.join[0]))
    assert names == ["b", "items", "other", "captions"]


def test_bytes_come_through_a_join() -> None:
    toy = Joined(
        VQA.replace("image: image", "image: annotations.image"), answer(1, image=b"\x89PNG")
    )
    assert toy.map(**question(1)).images == [{"bytes": b"\x89PNG"}]


def test_a_joined_file_is_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.sources.declared.join.MEMORY_BYTES", -1)
    toy = Joined(VQA, answer(1))
    toy.map(**question(1))
    toy.joins.finish()
    with pytest.raises(sqlite3.ProgrammingError):
        toy.map(**question(1))
