import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from datagen.build import planner, shard_writer
from datagen.dataset import to_records
from datagen.errors import RawDataError
from datagen.raw.json_index import Window
from datagen.raw.rows import WindowRows
from datagen.render import chance
from datagen.schema.record import DICTIONARY_COLUMNS, SCHEMA, file_schema
from datagen.sources import load_source


def parquet(building: Any, name: str, shard: int = 0) -> pq.ParquetFile:
    source, split = name.split("/")
    path = building.manifest.split(source, split).shards[shard].path
    return pq.ParquetFile(io.BytesIO((building.out / path).read_bytes()))


def image_bytes(building: Any, name: str) -> dict[str, bytes]:
    """The bytes of the first image of every record, by its path."""
    source, split = name.split("/")
    images = [record.images[0] for record in building.records(source, split)]
    return {image.path: image.bytes for image in images}


def test_a_shard_has_the_schema_of_all_records(referenced: Any, embedded: Any) -> None:
    for building, images in ((referenced, "reference"), (embedded, "embed")):
        for source, splits in building.manifest.splits.items():
            for split in splits:
                schema = parquet(building, f"{source}/{split}").schema_arrow
                assert schema.equals(SCHEMA)
                assert schema.metadata == file_schema(images).metadata


def test_the_manifest_counts_and_hashes_the_shards(referenced: Any) -> None:
    for splits in referenced.manifest.splits.values():
        for entry in splits.values():
            assert entry.written == sum(shard.rows for shard in entry.shards) > 0
            for shard in entry.shards:
                data = (referenced.out / shard.path).read_bytes()
                assert shard.sha256 == hashlib.sha256(data).hexdigest()
                assert shard.num_bytes == len(data)
                assert pq.ParquetFile(io.BytesIO(data)).metadata.num_rows == shard.rows


def test_a_shard_is_compressed_unless_its_images_are_embedded(
    referenced: Any, embedded: Any
) -> None:
    for building in (referenced, embedded):
        group = parquet(building, "vqav2/train").metadata.row_group(0)
        columns = {
            group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)
        }
        column = columns.pop(shard_writer.IMAGE_BYTES_COLUMN)
        assert column.compression == ("UNCOMPRESSED" if building is embedded else "ZSTD")
        texts = "UNCOMPRESSED" if building is embedded else "ZSTD"
        assert {column.compression for column in columns.values()} == {texts}
        dictionaries = {
            name for name, column in columns.items() if "RLE_DICTIONARY" in column.encodings
        }
        assert dictionaries <= set(DICTIONARY_COLUMNS)
        assert {"source", "split", "template_id"} <= dictionaries


def test_of_rows_with_the_same_id_the_first_in_the_file_is_kept(
    raw: Any, prepare: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.build.options.BuildOptions.range_bytes", lambda *_: 200)
    raw.coco(1)
    rows = [{**ask(n), "unused": "x" * 400} for n in range(40)]
    for place, number in ((9, 3), (25, 30), (33, 3), (39, 3)):
        rows[place] |= ask(number, text=f"Asked again in row {place}?")
    raw.vqa(rows)
    building = prepare(sources=["vqav2"], max_reject_fraction=0.2)
    assert len(building.split("vqav2/train").ranges) > 5
    building.stage(reverse=True)
    building.write(reverse=True)
    building.finish()
    texts = {r.record_id: r.question for r in building.records("vqav2", "train")}
    assert texts["vqav2/train/3"] == "What is number 3?"
    assert texts["vqav2/train/30"] == "Asked again in row 25?"
    rejections = [r for r in building.rejections("vqav2") if r.reason == "duplicate_id"]
    assert [r.row for r in rejections] == [9, 30, 33, 39]
    for rejection in rejections:
        assert rejection.file == "v2_OpenEnded_mscoco_train2014_questions.json"
        assert json.loads(rejection.content) == rows[rejection.row]
        data = (raw.root / "vqav2" / rejection.file).read_bytes()
        assert data[rejection.byte :].startswith(rejection.content.encode())
    assert rejections[0].message == "an earlier row makes 'vqav2/train/3' too; that one is used"


def test_many_repeated_rows_are_rejected_in_one_reading_of_each_window(
    raw: Any, build: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw.coco(1)
    rows = [ask(n) for n in range(300)]
    raw.vqa(rows * 2)
    opened: list[Window] = []

    class Counting(WindowRows):
        def __init__(self, files: Any, path: str, kind: Any, window: Window, row: Any) -> None:
            opened.append(window)
            super().__init__(files, path, kind, window, row)

    monkeypatch.setattr(shard_writer, "WindowRows", Counting)
    building = build(sources=["vqav2"], max_reject_fraction=0.6)
    entry = building.manifest.split("vqav2", "train")
    assert (entry.written, entry.rejected) == (300, {"duplicate_id": 300})
    assert [r.row for r in building.rejections("vqav2")] == list(range(300, 600))
    assert len(opened) == len(building.split("vqav2/train").ranges)


def test_ids_with_the_same_key_but_other_texts_are_both_kept(
    raw: Any, build: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys are hashes: they may collide."""
    raw.coco(1)
    raw.vqa([ask(1), ask(2), ask(1, text="Again?"), ask(3), ask(2, text="Again?"), ask(9)])
    monkeypatch.setattr(
        "datagen.build.stage.chance",
        lambda *given: chance(*given)._replace(order=3 if given[2].endswith("9") else 17),
    )
    building = build(sources=["vqav2"], max_reject_fraction=0.5)
    ids = [record.record_id for record in building.records("vqav2", "train")]
    assert ids == [f"vqav2/train/{number}" for number in (9, 1, 2, 3)]
    assert [r.row for r in building.rejections("vqav2")] == [2, 4]


def test_rows_are_counted_without_the_repeated_ones(raw: Any, prepare: Any, ask: Any) -> None:
    raw.coco(1)
    raw.vqa([ask(n) for n in (1, 2, 1, 3, 2, 1)])
    building = prepare(sources=["vqav2"])
    building.stage()
    plan = building.split("vqav2/train")
    (places,) = building.places(plan).values()
    assert building.writer(plan).unique_rows(places) == 3


def test_a_shard_that_is_done_is_not_written_again(raw: Any, prepare: Any, ask: Any) -> None:
    raw.coco(1)
    raw.vqa([ask(n) for n in range(5)])
    building = prepare()
    building.stage()
    building.write()
    before = dict(building.shards)
    for path in (Path(building.staging.root) / "ranges").rglob("*.blocks"):
        path.unlink()
    for plan in building.plan.splits:
        (places,) = building.places(plan).values()
        assert building.writer(plan).write(0, places, 0.5) == before[f"{plan.source}/train"][0]


def test_training_records_weigh_what_the_mixture_says(referenced: Any) -> None:
    mixture = referenced.manifest.mixture
    assert set(mixture) == {"coco_caption", "vqav2", "vqav2_qg"} | (
        set(mixture) - {"scienceqa", "visdial", "msvd_qa"}
    )
    total = 0.0
    for source, splits in referenced.manifest.splits.items():
        for split in splits:
            weights = {record.weight for record in referenced.records(source, split)}
            if source in mixture and split == "train":
                part = mixture[source]
                assert weights == {part.factor * part.weight / part.size}
                total += part.probability
            else:
                assert weights == {None}
    assert total == pytest.approx(1.0)


def test_trained_splits_of_one_source_weigh_the_same(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1)
    raw.coco(1, folder="val2014")
    raw.vqa([ask(n) for n in range(30)])
    raw.vqa([ask(n) for n in range(10)], subset="val2014")
    building = build(sources=["vqav2", "vqav2_qg"], mixture={"splits": {"vqav2": ["train", "val"]}})
    mixture = building.manifest.mixture
    assert (mixture["vqav2"].size, mixture["vqav2_qg"].size) == (40, 30)
    for split in ("train", "val"):
        weights = {record.weight for record in building.records("vqav2", split)}
        assert weights == {40**0.5 / 40}
    assert {record.weight for record in building.records("vqav2_qg", "val")} == {None}


def test_references_have_a_path_and_no_bytes(referenced: Any) -> None:
    for record in referenced.records("coco_caption", "train"):
        (image,) = record.images
        assert image.path == f"coco/{Path(image.path).parent.name}/{Path(image.path).name}"
        assert image.bytes is None
    for record in referenced.records("msvd_qa", "test"):
        assert record.images is None
        assert record.video.path.startswith("msvd/")
        assert record.video.frame_times == (0.25, 0.75, 1.25, 1.75)


def test_embedded_images_are_the_files_bytes(embedded: Any, sample_raw: Path) -> None:
    stored = image_bytes(embedded, "vqav2/train") | image_bytes(embedded, "coco_caption/val")
    assert len(stored) > 10
    for path, data in stored.items():
        assert data == (sample_raw / "images" / path).read_bytes()
    for path, data in image_bytes(embedded, "scienceqa/test").items():
        assert data == (sample_raw / path).read_bytes()
    entries = [e for splits in embedded.manifest.splits.values() for e in splits.values()]
    assert {entry.reencoded for entry in entries} == {0}


def test_but_for_images_and_weights_both_modes_hold_the_same_records(
    referenced: Any, embedded: Any
) -> None:
    for source, splits in referenced.manifest.splits.items():
        for split in splits:
            pairs = zip(
                referenced.records(source, split), embedded.records(source, split), strict=True
            )
            for one, other in pairs:
                assert msgspec.structs.replace(one, images=None) == msgspec.structs.replace(
                    other, images=None
                )


def test_row_groups_hold_four_megabytes_of_images() -> None:
    assert shard_writer.ROW_GROUP_BYTES == 4 << 20


def test_row_groups_are_closed_before_they_grow_too_large(
    raw: Any, build: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "ROW_GROUP_BYTES", 10_000)
    sizes = {1: 700, 2: 2_500, 3: 4_000, 4: 25_000}
    raw.coco(*sizes)
    for image_id, size in sizes.items():
        name = f"images/coco/train2014/COCO_train2014_{image_id:012d}.jpg"
        data = (raw.root / name).read_bytes()
        raw.write(name, data[:-2] + b"\0" * (size - len(data)) + data[-2:])
    raw.vqa([ask(n, image_id=1 + n % 4) for n in range(60)])
    building = build(sources=["vqav2"], images="embed")
    file = parquet(building, "vqav2/train")
    sizes_of_groups = []
    for number in range(file.num_row_groups):
        records = to_records(file.read_row_group(number))
        sizes_of_groups.append([len(record.images[0].bytes) for record in records])
    assert sum(map(len, sizes_of_groups)) == 60
    for group, following in zip(sizes_of_groups, [*sizes_of_groups[1:], [10_000]], strict=True):
        assert sum(group) <= 10_000 or group == [25_000]
        assert sum(group) + following[0] > 10_000
    for record in building.records("vqav2", "train"):
        assert record.images[0].bytes == (raw.root / "images" / record.images[0].path).read_bytes()


def test_records_are_the_same_in_however_many_row_groups(
    embedded: Any, sample_raw: Path, prepare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "ROW_GROUP_BYTES", 1)
    building = prepare(raw=sample_raw, images="embed", sources=list(embedded.manifest.splits)).run()
    for source, splits in embedded.manifest.splits.items():
        for split, entry in splits.items():
            assert parquet(building, f"{source}/{split}").num_row_groups == entry.shards[0].rows
            assert building.records(source, split) == embedded.records(source, split)


def test_the_frames_of_a_clip_are_its_images(embedded: Any) -> None:
    for record in embedded.records("msvd_qa", "train"):
        times = record.video.frame_times
        assert times == (0.25, 0.75, 1.25, 1.75)
        assert [image.path for image in record.images] == [
            f"{record.video.path}#t={time:.3f}" for time in times
        ]
        assert all(image.bytes.startswith(b"\xff\xd8") for image in record.images)
        assert len({image.bytes for image in record.images}) > 1


def test_an_image_that_disappears_before_it_is_embedded_stops_the_build(
    raw: Any, prepare: Any, ask: Any
) -> None:
    raw.coco(1)
    raw.vqa([ask(1)])
    building = prepare(images="embed")
    building.stage()
    (path,) = (raw.root / "images").rglob("*.jpg")
    path.unlink()
    with pytest.raises(RawDataError, match="is not there since the build checked it; nothing was"):
        building.write()
    assert not [*building.out.rglob("*.parquet")]


def test_an_image_that_changes_before_it_is_embedded_stops_the_build(
    raw: Any, prepare: Any, ask: Any
) -> None:
    raw.coco(1)
    raw.vqa([ask(1)])
    building = prepare(images="embed")
    building.stage()
    (image,) = (raw.root / "images").rglob("*.jpg")
    image.write_bytes(image.read_bytes() + b"more")
    with pytest.raises(
        RawDataError, match=r"\.jpg changed since the build checked it; nothing was"
    ):
        building.write()
    assert not [*building.out.rglob("*.parquet")]


def test_a_split_whose_rows_are_all_rejected_has_no_shard(raw: Any, build: Any, ask: Any) -> None:
    raw.coco(1)
    raw.coco(1, folder="val2014")
    raw.vqa([ask(n) for n in range(5)])
    raw.vqa([ask(n, text=" ") for n in range(5)], subset="val2014")
    building = build(sources=["vqav2"], max_reject_fraction=1.0)
    entry = building.manifest.split("vqav2", "val")
    assert (entry.shards, entry.read, entry.written, entry.groups) == ((), 5, 0, 0)
    assert building.records("vqav2", "val") == []


def test_an_empty_shard_is_left_out(
    raw: Any, build: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planner, "SHARD_INPUT_BYTES", 60)
    raw.coco(1)
    raw.vqa([ask(n) for n in range(10)])
    building = build(sources=["vqav2"])
    entry = building.manifest.split("vqav2", "train")
    num_shards = building.split("vqav2/train").num_shards
    assert 0 < len(entry.shards) < num_shards
    assert all(shard.path.endswith(f"-of-{num_shards:05d}.parquet") for shard in entry.shards)
    assert len(building.records("vqav2", "train")) == 10


@pytest.fixture
def adapted(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes VQAv2's adapter change its examples in some way."""

    def adapted(change: Any) -> None:
        source = load_source("vqav2")

        def examples(layout: Any) -> Any:
            return lambda row, context: map(change, layout.examples(row, context))

        splits = tuple(replace(each, examples=examples(each)) for each in source.splits)
        monkeypatch.setattr(
            "datagen.build.options.load_source", lambda _: replace(source, splits=splits)
        )

    return adapted


@pytest.mark.parametrize("images", ["reference", "embed"])
def test_a_record_may_have_several_images(
    raw: Any, build: Any, ask: Any, adapted: Any, images: str
) -> None:
    raw.coco(1, 2, 3)
    raw.vqa([ask(n, image_id=1 + n % 3) for n in range(9)])
    other = "coco/train2014/COCO_train2014_000000000001.jpg"
    adapted(lambda each: msgspec.structs.replace(each, images=(*each.images, other)))
    records = build(sources=["vqav2"], images=images).records("vqav2", "train")
    assert len(records) == 9
    for record in records:
        number = 1 + int(record.record_id.split("/")[2]) % 3
        path = f"coco/train2014/COCO_train2014_{number:012d}.jpg"
        assert [image.path for image in record.images] == [path, other]
        if images == "embed":
            data = [(raw.root / "images" / image.path).read_bytes() for image in record.images]
            assert [image.bytes for image in record.images] == data


def test_a_clip_of_a_video_has_its_own_times(
    raw: Any, build: Any, ask: Any, adapted: Any, sample_raw: Path
) -> None:
    clip = sorted((sample_raw / "videos/msvd").iterdir())[0]
    raw.write("images/coco/clip.avi", clip.read_bytes())
    raw.vqa([ask(1), ask(2)])
    ends = {"vqav2/train/1": (0.0, 1.0), "vqav2/train/2": (1.0, 9.0)}
    adapted(
        lambda each: msgspec.structs.replace(
            each, images=None, video="coco/clip.avi", clip=ends[each.example_id]
        )
    )
    records = build(sources=["vqav2"]).records("vqav2", "train")
    assert {record.record_id: record.video.frame_times for record in records} == {
        "vqav2/train/1": (0.125, 0.375, 0.625, 0.875),
        "vqav2/train/2": (1.125, 1.375, 1.625, 1.875),
    }


def test_clips_that_are_here_and_clips_that_are_not_can_be_kept_together(
    raw: Any, build: Any, sample_raw: Path
) -> None:
    clip = sorted((sample_raw / "videos/msvd").iterdir())[0]
    raw.write("videos/msvd/here.avi", clip.read_bytes())
    row = {"question": "who?", "answer": "man"}
    raw.json("msvd_qa/test_qa.json", [{"id": n, "video_id": n % 2, **row} for n in range(6)])
    raw.write("msvd_qa/youtube_mapping.txt", "here vid0\nelsewhere vid1")
    records = build(missing_images="keep").records("msvd_qa", "test")
    assert {(record.video.path, record.video.frame_times) for record in records} == {
        ("msvd/here.avi", (0.25, 0.75, 1.25, 1.75)),
        ("msvd/elsewhere.avi", None),
    }
    assert {record.images for record in records} == {None}
