import datetime
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import RawDataError, Reason
from datagen.schema.adapter import Rejected

ROWS: list[dict[str, Any]] = [
    {"image": {"bytes": b"png", "path": "a.png"}, "label": 1, "answers": ["108.0", "108"]},
    {"image": {"bytes": b"gif", "path": None}, "label": -1, "answers": []},
    {"image": None, "label": 0, "answers": None},
]
IMAGE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
LABEL = {"names": ["cat", "dog"], "_type": "ClassLabel"}


def hub_schema(schema: pa.Schema, **features: Any) -> pa.Schema:
    return schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def table() -> pa.Table:
    schema = pa.schema({"image": IMAGE, "label": pa.int64(), "answers": pa.list_(pa.string())})
    return pa.Table.from_pylist(ROWS, schema).cast(hub_schema(schema, label=LABEL))


NAMED = [{**row, "label": name} for row, name in zip(ROWS, ["dog", None, "cat"], strict=True)]


def write_parquet(path: Path, found: pa.Table, **options: Any) -> None:
    pq.write_table(found, path, **options)


def write_stream(path: Path, found: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, found.schema) as writer:
        writer.write_table(found, max_chunksize=2)


def write_file(path: Path, found: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, found.schema) as writer:
        writer.write_table(found, max_chunksize=2)


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.parquet", write_parquet), ("a.arrow", write_stream), ("b.arrow", write_file)],
)
def test_images_are_bytes_and_labels_are_names(
    own: Any, name: str, write: Callable[[Path, pa.Table], None]
) -> None:
    write(own.folder / name, table())
    assert own.read(name) == NAMED
    assert [row.place.row for row in own.rows] == [1, 2, 3]


@pytest.mark.parametrize("num_bytes", [1, 200])
def test_rows_are_the_same_however_few_are_read_at_once(
    own: Any, batches_of: Callable[[int], None], num_bytes: int
) -> None:
    batches_of(num_bytes)
    write_parquet(own.folder / "a.parquet", table(), row_group_size=2)
    write_stream(own.folder / "a.arrow", table())
    assert own.read("a.*") == NAMED * 2


def test_values_are_those_that_json_has(own: Any) -> None:
    columns = {
        "decimal": pa.array([decimal.Decimal("1.50")]),
        "date": pa.array([datetime.date(2024, 2, 3)]),
        "time": pa.array([datetime.datetime(2024, 2, 3, 4, 5)]),
        "nanoseconds": pa.array([1], pa.timestamp("ns")),
        "duration": pa.array([61], pa.duration("s")),
        "single": pa.array([0.1], pa.float32()),
        "singles": pa.array([[0.1, None]], pa.list_(pa.float32())),
        "half": pa.array([np.float16(1.5)]),
        "double": pa.array([108.0]),
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "word": pa.array(["x"]).dictionary_encode(),
        "big": pa.array([2**63], pa.uint64()),
    }
    write_parquet(own.folder / "a.parquet", pa.table(columns))
    (row,) = own.read("a.parquet")
    assert row["nanoseconds"].startswith("1970-01-01T00:00:00.000000001")
    del row["nanoseconds"]
    assert repr(row) == repr(
        {
            "decimal": "1.50",
            "date": "2024-02-03",
            "time": "2024-02-03T04:05:00",
            "duration": "0:01:01",
            "single": 0.1,
            "singles": [0.1, None],
            "half": 1.5,
            "double": 108.0,
            "map": {"a": 1},
            "word": "x",
            "big": 2**63,
        }
    )
    json.dumps(row)


@pytest.mark.parametrize(
    ("feature", "value", "named"),
    [
        ({"feature": LABEL, "_type": "Sequence"}, [0, 1, -1], ["cat", "dog", None]),
        ({"feature": LABEL, "_type": "List"}, None, None),
        ([LABEL], [1], ["dog"]),
        ({"of": LABEL}, {"of": 1}, {"of": "dog"}),
        ({"feature": {"of": LABEL}, "_type": "Sequence"}, {"of": [0, 1]}, {"of": ["cat", "dog"]}),
        ([{"of": LABEL}], [{"of": 1}, {"of": 7}], [{"of": "dog"}, {"of": None}]),
    ],
)
def test_labels_inside_of_lists_and_structures_are_names(
    own: Any, feature: Any, value: Any, named: Any
) -> None:
    found = pa.table({"x": [value, value]})
    schema = hub_schema(found.schema, x=feature)
    write_parquet(own.folder / "a.parquet", found.cast(schema))
    assert own.read("a.parquet") == [{"x": named}] * 2


@pytest.mark.parametrize("metadata", ["{", "[]", '{"info": {"features": []}}'])
def test_metadata_that_is_not_the_hubs_is_passed_over(own: Any, metadata: str) -> None:
    found = pa.table({"label": [1]})
    schema = found.schema.with_metadata({"huggingface": metadata})
    write_parquet(own.folder / "a.parquet", found.cast(schema))
    assert own.read("a.parquet") == [{"label": 1}]


@pytest.mark.parametrize("kept", [0, 3, 100])
def test_a_parquet_file_without_its_end_is_refused(own: Any, kept: int) -> None:
    write_parquet(own.folder / "a.parquet", table())
    own.put("a.parquet", (own.folder / "a.parquet").read_bytes()[:kept])
    with pytest.raises(RawDataError, match=r"a\.parquet is no Parquet file, or is cut off: "):
        own.read("a.parquet")


def test_the_rows_before_a_corrupt_group_are_used(own: Any) -> None:
    found = pa.table({"n": list(range(200)), "text": [f"text {n:05d}" * 20 for n in range(200)]})
    write_parquet(own.folder / "a.parquet", found, row_group_size=100, use_dictionary=False)
    path = own.folder / "a.parquet"
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    data = bytearray(path.read_bytes())
    start = column.data_page_offset
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    reason, message = own.rejected("a.parquet")
    assert reason is Reason.TRUNCATED_FILE
    assert message.startswith("a.parquet is cut off or corrupt after row 100: ")
    assert len(own.rows) == 101


@pytest.mark.parametrize("data", [b"", b"image,caption\n", b"ARROW1\0\0" + b"\0" * 20])
def test_what_is_no_arrow_file_is_refused(own: Any, data: bytes) -> None:
    own.put("a.arrow", data)
    with pytest.raises(RawDataError, match=r"a\.arrow is no Arrow file"):
        own.read("a.arrow")


def test_the_rows_before_a_cut_of_an_arrow_stream_are_used(own: Any) -> None:
    write_stream(own.folder / "a.arrow", pa.table({"n": list(range(1_000))}))
    path = own.folder / "a.arrow"
    own.put("a.arrow", path.read_bytes()[:-100])
    values = own.read("a.arrow")
    assert values[-1] == "truncated_file"
    assert [row["n"] for row in values[:-1]] == list(range(len(values) - 1))
    assert len(values) > 900


# --- folders that `datasets` saved


def save(folder: Path, parts: int = 1) -> None:
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "query": datasets.Value("string"),
            "by": datasets.ClassLabel(names=["human", "machine"]),
            "share": datasets.Value("float64"),
        }
    )
    rows = [
        {"image": {"bytes": b"x", "path": "a.png"}, "query": f"q{n}", "by": n % 2, "share": n / 2}
        for n in range(5)
    ]
    train = datasets.Dataset.from_list(rows, features=features)
    val = datasets.Dataset.from_list(rows[:1], features=features)
    found = datasets.DatasetDict({"train": train, "val": val})
    found.save_to_disk(folder, num_shards={"train": parts, "val": 1})


def test_a_saved_data_set_is_read_by_split_with_names_of_labels(own: Any) -> None:
    save(own.folder / "charts", parts=2)
    values = own.read("charts")
    assert [row["by"] for row in values] == ["human", "machine"] * 2 + ["human"] * 2
    assert values[2] == {
        "image": {"bytes": b"x", "path": "a.png"},
        "query": "q2",
        "by": "human",
        "share": 1.0,
    }
    places = [(row.place.file, row.place.split, row.place.row) for row in own.rows]
    assert places == [("charts", "train", n + 1) for n in range(5)] + [("charts", "val", 1)]


def test_one_split_of_a_saved_data_set_can_be_named(own: Any) -> None:
    save(own.folder / "charts")
    assert own.found({"val": "charts/train", "test": "charts/val"}) == [
        ("charts/train", "val", "saved"),
        ("charts/val", "test", "saved"),
    ]
    assert len(own.read({"val": "charts/train"})) == 5


def test_a_saved_data_set_without_a_part_is_refused(own: Any) -> None:
    save(own.folder / "charts", parts=2)
    (own.folder / "charts" / "train" / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(RawDataError, match=r"charts lacks 1 of its 2 files; first: data-00001-of"):
        own.read("charts")


def test_a_saved_data_set_without_a_split_is_refused(own: Any) -> None:
    save(own.folder / "charts")
    (own.folder / "charts" / "train" / "state.json").unlink()
    with pytest.raises(RawDataError, match=r"charts is not a data set saved with save_to_disk"):
        own.read("charts")


def test_a_cut_part_of_a_saved_data_set_is_told_and_the_others_are_read(own: Any) -> None:
    save(own.folder / "charts", parts=2)
    path = own.folder / "charts" / "train" / "data-00000-of-00002.arrow"
    path.write_bytes(path.read_bytes()[:-300])
    own.read("charts")
    (cut,) = [row for row in own.rows if isinstance(row.value, Rejected)]
    assert cut.value.reason is Reason.TRUNCATED_FILE
    assert "charts/data-00000-of-00002.arrow is cut off or corrupt after row " in cut.value.message
    assert sum(row.place.split == "train" for row in own.rows if row is not cut) >= 2
