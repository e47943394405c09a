"""Datasets of images that are no files of their own, through staging and the shard writer."""

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datagen.build import shard_writer
from datagen.build.media_states import changes
from datagen.build.options import make_options
from datagen.build.stage import SplitStager
from datagen.build.stage_media import AS_IT_IS, BY_REFERENCE, MediaStage, StagedMedia
from datagen.files import LocalFiles
from datagen.media.media import MediaRoots, decode_image
from datagen.media.pack import ImagePack
from datagen.schema.adapter import SplitFiles
from datagen.schema.example import Example
from datagen.schema.record import file_schema


def encoded(number: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (number, 0, 0)).convert(mode).save(file, kind)
    return file.getvalue()


class Packed(SplitStager):
    """Stages examples whose images are replaced by those that `places` names for their number."""

    places: dict[str, tuple[str, ...]]

    @cached_property
    def layout(self) -> SplitFiles:
        found = SplitStager.layout.func(self)  # type: ignore[attr-defined]

        def examples(row: Any, context: Any) -> Iterator[Any]:
            for each in found.examples(row, context):
                assert isinstance(each, Example)
                images = self.places.get(each.example_id.rpartition("/")[2])
                yield msgspec.structs.replace(each, images=images) if images else each

        return replace(found, examples=examples)


@pytest.fixture
def packing(raw: Any, prepare: Any, ask: Any, tmp_path: Path, monkeypatch: Any) -> Any:
    """Builds VQAv2 with twelve questions, of which some have packed images: number -> images' paths."""
    raw.coco(1)
    raw.vqa([ask(number) for number in range(12)])

    def build(out: str, places: dict[int, tuple[str, ...]], **options: Any) -> Any:
        building = prepare(out, sources=["vqav2"], **options)
        packs = {"coco": str(tmp_path / "coco.pack")}
        building.roots = replace(building.roots, packs=packs)
        named = {str(number): paths for number, paths in places.items()}
        made = type("Made", (Packed,), {"places": named})
        monkeypatch.setattr(
            building,
            "stager",
            lambda plan: made(
                plan, building.options, building.roots, building.files, building.staging
            ),
        )
        return building.run()

    return build


@pytest.fixture
def pack(tmp_path: Path) -> dict[str, str]:
    """The media paths of packed images, by a name for each."""
    images = {
        "red": (encoded(200), "a.png"),
        "dark": (encoded(20), "a.png"),
        "cmyk": (encoded(90, "JPEG", "CMYK"), "c.jpg"),
    }
    with open(tmp_path / "coco.pack", "wb") as file:
        pack = ImagePack(file)
        return {key: f"coco/{pack.add(*image)}" for key, image in images.items()}


def by_number(building: Any) -> dict[int, Any]:
    records = building.records("vqav2", "train")
    return {int(record.record_id.rpartition("/")[2]): record for record in records}


def shard(building: Any) -> pq.ParquetFile:
    [entry] = building.manifest.split("vqav2", "train").shards
    return pq.ParquetFile(io.BytesIO((building.out / entry.path).read_bytes()))


def test_packed_images_are_embedded_although_the_others_are_by_reference(
    packing: Any, pack: dict[str, str]
) -> None:
    building = packing("out", {3: (pack["red"],), 5: (pack["dark"],), 6: (pack["cmyk"],)})
    records = by_number(building)
    assert len(records) == 12
    assert records[3].images[0].bytes == encoded(200)
    assert records[3].images[0].path == "coco/a.png"
    assert records[5].images[0].bytes == encoded(20)
    assert records[5].images[0].path not in ("coco/a.png", pack["dark"])
    assert records[6].images[0].bytes == encoded(90, "JPEG", "CMYK")
    for number in set(range(12)) - {3, 5, 6}:
        assert records[number].images[0].bytes is None
        assert records[number].images[0].path.startswith("coco/train2014/")
    assert shard(building).schema_arrow.metadata == file_schema("reference").metadata
    group = shard(building).metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert columns[shard_writer.IMAGE_BYTES_COLUMN].compression == "UNCOMPRESSED"


def test_one_record_may_hold_both(packing: Any, pack: dict[str, str]) -> None:
    reference = "coco/train2014/COCO_train2014_000000000001.jpg"
    building = packing("out", {3: (reference, pack["red"], reference)})
    images = by_number(building)[3].images
    assert [image.path for image in images] == [reference, "coco/a.png", reference]
    assert [image.bytes for image in images] == [None, encoded(200), None]


def test_embedding_treats_packed_images_as_it_treats_files(
    packing: Any, pack: dict[str, str]
) -> None:
    places = {3: (pack["red"],), 6: (pack["cmyk"],)}
    building = packing("out", places, images="embed", image_max_side=32)
    records = by_number(building)
    for number, name in ((3, "coco/a.png"), (6, "coco/c.jpg")):
        [image] = records[number].images
        assert image.path == name
        assert decode_image(image.bytes).size == (32, 24)
        assert Image.open(io.BytesIO(image.bytes)).mode == "RGB"
    assert all(image.bytes for record in records.values() for image in record.images)


def test_equal_builds_with_packed_images_are_equal_and_others_are_as_ever(
    packing: Any, pack: dict[str, str], build: Any
) -> None:
    places = {3: (pack["red"],)}
    assert packing("a", places).tree() == packing("b", places).tree()
    assert packing("c", {}).tree() == build("d", sources=["vqav2"]).tree()


def test_row_groups_of_references_stay_short_beside_packed_images(
    packing: Any, pack: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_writer, "ROW_GROUP_ROWS", 5)
    metadata = shard(packing("out", {3: (pack["red"],)})).metadata
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [5, 5, 2]


def test_no_state_of_a_packed_image_is_compared_later(
    packing: Any, pack: dict[str, str], tmp_path: Path
) -> None:
    building = packing("out", {number: (pack["red"],) for number in range(12)})
    staged = list(tmp_path.rglob("*media.json"))
    states = {path for each in staged for path in json.loads(each.read_bytes())}
    assert staged
    assert not [path for path in states if "@" in path]
    Path(building.roots.packs["coco"]).unlink()
    assert changes({pack["red"]: "packed"}, building.roots) == []


def test_a_packed_image_that_is_no_image_rejects_its_example(packing: Any, tmp_path: Path) -> None:
    with open(tmp_path / "coco.pack", "wb") as file:
        path = f"coco/{ImagePack(file).add(b'<html>not found</html>', 'a.png')}"
    building = packing("out", {3: (path,)}, max_reject_fraction=0.5)
    [rejection] = building.rejections("vqav2")
    assert rejection.reason == "media_unreadable"
    assert "a web page" in rejection.message


def test_staging_marks_what_is_embedded(pack: dict[str, str], tmp_path: Path, example: Any) -> None:
    (tmp_path / "coco").mkdir()
    (tmp_path / "coco" / "b.png").write_bytes(encoded(1))
    roots = MediaRoots(
        {"coco": f"{tmp_path}/coco"},
        LocalFiles(),
        packs={"coco": str(tmp_path / "coco.pack")},
    )
    stage = MediaStage(roots, make_options(raw="r", out="o"), None)
    red = pack["red"]
    assert stage.prepare(example(images=(red,))) == StagedMedia((red,), packed=(AS_IT_IS,))
    both = stage.prepare(example(images=("coco/b.png", red)))
    assert both == StagedMedia(("coco/b.png", red), packed=(BY_REFERENCE, AS_IT_IS))
    assert stage.prepare(example(images=("coco/b.png",) * 2)).packed is None
