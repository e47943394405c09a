from typing import Any

import pytest

from datagen.errors import Reason, RowRejectedError
from datagen.schema.adapter import Lookup, Rejected, RowContext, Rows, SplitFiles, Table


def context(**found: Any) -> RowContext:
    return RowContext("vqav2", "train", False, {}, None, found=found)


def test_an_id_names_source_and_split() -> None:
    assert context().example_id(17) == "vqav2/train/17"
    assert context().example_id("a-b#turn2") == "vqav2/train/a-b#turn2"


def test_the_first_row_of_a_lookup_is_taken() -> None:
    assert context(answers=["a", "b"]).one("answers") == "a"


def test_a_row_without_counterpart_is_rejected() -> None:
    with pytest.raises(RowRejectedError, match="no row of answers belongs") as error:
        context(answers=()).one("answers")
    assert error.value.reason is Reason.NO_ANNOTATION
    with pytest.raises(RowRejectedError) as error:
        context(answers=()).one("answers", Reason.INCONSISTENT_ROW)
    assert error.value.reason is Reason.INCONSISTENT_ROW


def test_a_counterpart_that_cannot_be_decoded_rejects_its_row() -> None:
    bad = Rejected(Reason.INVALID_ENCODING, "not UTF-8")
    for call in (lambda: context(a=[bad]).one("a"), lambda: context(a=["x", bad]).many("a")):
        with pytest.raises(RowRejectedError, match="its row of a: not UTF-8") as error:
            call()
        assert error.value.reason is Reason.INVALID_ENCODING
    assert context(a=["x", bad]).one("a") == "x"


def test_all_rows_of_a_lookup_are_taken() -> None:
    assert context(a=["x", "y"]).many("a") == ["x", "y"]
    assert context(a=()).many("a") == ()


def test_a_split_names_its_files_once() -> None:
    files = SplitFiles(
        "train",
        Rows("a.json", str),
        lambda row, context: iter(()),
        lookups={
            "one": Lookup("b.json", str, key="id", by="id"),
            "same": Lookup("a.json", str, key="id", by="id"),
            "extra": Lookup("c.json", str, key="id", by="id", required=False),
        },
        tables={"t": Table("d.txt", bytes), "u": Table("d.txt", bytes)},
    )
    assert files.files() == ("a.json", "b.json", "d.txt")
    assert files.optional_files() == ("c.json",)


def test_rows_of_text_are_texts_and_look_nothing_up() -> None:
    with pytest.raises(ValueError, match="rows of kind 'text' are str, not <class 'int'>"):
        Rows("signs.txt", int, kind="text")
    lookup = Lookup("names.json", dict, key="id", by="id")
    with pytest.raises(ValueError, match=r"signs.txt: rows of kind 'text' have no field to look"):
        SplitFiles("train", Rows("signs.txt", str, kind="text"), list, lookups={"names": lookup})
