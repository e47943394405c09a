"""A built dataset, read by us, by `datasets`, by DuckDB and by pandas: all see the same."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pandas
import pyarrow.parquet as pq
import pytest

from datagen.build import planner
from datagen.dataset import BuiltDataset, open_dataset, to_records
from datagen.errors import OutputError
from datagen.files import LocalFiles
from datagen.schema.record import Record

LOAD_ALL = """
import json, sys
import datasets
from datasets import get_dataset_config_names, load_dataset
out, rows = sys.argv[1], {}
for config in get_dataset_config_names(out):
    for split, dataset in load_dataset(out, config).items():
        images = dataset.features["images"].feature
        decoded = [i for row in dataset for i in row["images"] or () if not isinstance(i, dict)]
        sizes = sorted({image.size for image in decoded})
        raw = dataset.cast_column("images", datasets.List(datasets.Image(decode=False)))
        rows[f"{config}/{split}"] = {
            "records": [
                {**row, "images": row["images"] and [image["path"] for image in row["images"]]}
                for row in raw
            ],
            "decode": images.decode,
            "decoded": len(decoded),
            "sizes": sizes,
        }
print(json.dumps(rows))
"""

LOAD_IDS = """
import json, sys
from datasets import load_dataset
print(json.dumps([load_dataset(out, split="train")["record_id"][:] for out in sys.argv[1:]]))
"""


def run_datasets(code: str, home: Path, *folders: Path) -> Any:
    """Return the JSON that `code` prints, run offline with a cache of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, folders)],
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(home),
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=["referenced", "embedded"])
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, dict[str, Any]]:
    """A build, and what `datasets.load_dataset` reads of its folder: `<config>/<split>` -> rows."""
    building = request.getfixturevalue(request.param)
    return building, run_datasets(LOAD_ALL, tmp_path_factory.mktemp("home"), building.out)


def as_datasets_shows(record: Record) -> dict[str, Any]:
    """A record as `datasets` gives it back: tags as a list, images by their paths."""
    row = msgspec.to_builtins(record)
    row["images"] = record.images and [image.path for image in record.images]
    row["tags"] = record.tags and [{"key": k, "value": v} for k, v in record.tags.items()]
    return json.loads(json.dumps(row))


def test_datasets_reads_every_source_as_a_configuration(loaded: Any) -> None:
    building, rows = loaded
    for source, splits in building.manifest.splits.items():
        for split in splits:
            expected = [as_datasets_shows(each) for each in building.records(source, split)]
            assert rows[f"{source}/{split}"]["records"] == expected


def test_the_default_configuration_is_the_held_in_training_sets(loaded: Any) -> None:
    building, rows = loaded
    expected = sorted(
        record.record_id
        for source in building.manifest.mixture
        for record in building.records(source, "train")
    )
    assert sorted(row["record_id"] for row in rows["default/train"]["records"]) == expected
    names = {f"{s}/{split}" for s, splits in building.manifest.splits.items() for split in splits}
    assert set(rows) == names | {"default/train"}


def test_datasets_shows_embedded_images_and_leaves_references_alone(loaded: Any) -> None:
    building, rows = loaded
    embed = building.manifest.images == "embed"
    for name, shown in rows.items():
        assert shown["decode"] is embed
        num_images = sum(len(row["images"] or ()) for row in shown["records"])
        assert shown["decoded"] == (num_images if embed else 0)
        if embed:
            assert num_images > 0, name
            assert all(min(size) > 30 for size in shown["sizes"])


def test_datasets_tells_folders_of_the_same_name_apart(
    raw: Any, build: Any, ask: Any, tmp_path: Path
) -> None:
    """Its cache knows a dataset by its folder's name and by its card."""
    raw.coco(1)
    raw.vqa([ask(n) for n in (1, 2)])
    builds = [build("a", sources=["vqav2"])]
    raw.vqa([ask(n) for n in (3, 4, 5)])
    builds.append(build("b", sources=["vqav2"]))
    assert {each.out.name for each in builds} == {"output"}
    ids = run_datasets(LOAD_IDS, tmp_path / "home", *(each.out for each in builds))
    assert ids == [[r.record_id for r in each.records("vqav2", "train")] for each in builds]


@pytest.mark.parametrize("mode", ["referenced", "embedded"])
def test_duckdb_and_pandas_read_the_same(request: pytest.FixtureRequest, mode: str) -> None:
    building = request.getfixturevalue(mode)
    for source, split in (("vqav2", "train"), ("visdial", "val"), ("msvd_qa", "test")):
        records = building.records(source, split)
        pattern = f"{building.out}/data/{source}/{split}-*.parquet"
        frame = pandas.read_parquet(sorted((building.out / "data" / source).glob(f"{split}-*"))[0])
        assert frame["record_id"].tolist() == [r.record_id for r in records]
        assert frame["instruction"].tolist() == [r.instruction for r in records]
        relation = duckdb.sql(f"SELECT record_id, answers, weight, images FROM '{pattern}'")
        found = {row[0]: row[1:] for row in relation.fetchall()}
        for record in records:
            answers, weight, images = found[record.record_id]
            assert answers == (record.answers and [*msgspec.to_builtins(record.answers)])
            assert weight == record.weight
            paths = images and [image["path"] for image in images]
            assert paths == (record.images and [image.path for image in record.images])
    ((everything,),) = duckdb.sql(
        f"SELECT count(*) FROM '{building.out}/data/*/*.parquet'"
    ).fetchall()
    assert everything == sum(
        entry.written for splits in building.manifest.splits.values() for entry in splits.values()
    )


def test_a_dataset_is_opened_by_its_manifest(referenced: Any, tmp_path: Path) -> None:
    dataset = open_dataset(str(referenced.out))
    assert dataset.manifest == referenced.manifest
    with pytest.raises(OutputError, match="is no dataset"):
        open_dataset(str(tmp_path))


def test_a_dataset_can_be_moved(referenced: Any, tmp_path: Path) -> None:
    shutil.copytree(referenced.out, tmp_path / "elsewhere")
    dataset = open_dataset(str(tmp_path / "elsewhere"))
    assert list(dataset.records("visdial", "val")) == referenced.records("visdial", "val")


def test_any_record_is_found_by_its_number(
    raw: Any, build: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 8_000)
    monkeypatch.setattr("datagen.build.shard_writer.ROW_GROUP_ROWS", 7)
    raw.coco(1)
    raw.vqa([ask(n) for n in range(100)])
    building = build(sources=["vqav2"])
    dataset = BuiltDataset(str(building.out), building.manifest, LocalFiles())
    assert len(building.manifest.split("vqav2", "train").shards) > 3
    records = list(dataset.records("vqav2", "train"))
    assert [dataset.record("vqav2", "train", n) for n in range(100)] == records
    for number in (-1, 100, 10**9):
        with pytest.raises(IndexError, match=f"vqav2/train has 100 records, no number {number}"):
            dataset.record("vqav2", "train", number)


def test_a_split_without_records_has_no_record_number_0(raw: Any, build: Any, ask: Any) -> None:
    raw.vqa([ask(1, text=" ")])
    building = build(sources=["vqav2"], max_reject_fraction=1.0)
    dataset = BuiltDataset(str(building.out), building.manifest, LocalFiles())
    assert list(dataset.records("vqav2", "train")) == []
    with pytest.raises(IndexError, match="vqav2/train has 0 records, no number 0"):
        dataset.record("vqav2", "train", 0)


def test_a_split_that_is_not_there_is_refused(referenced: Any) -> None:
    dataset = open_dataset(str(referenced.out))
    with pytest.raises(OutputError, match="this dataset has no vqav2/tset; it holds"):
        list(dataset.records("vqav2", "tset"))


def test_rows_of_a_table_are_records(referenced: Any) -> None:
    path = referenced.out / referenced.manifest.split("visdial", "val").shards[0].path
    assert to_records(pq.read_table(path)) == referenced.records("visdial", "val")
