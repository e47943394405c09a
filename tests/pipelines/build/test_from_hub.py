"""A build from a mirror on the Hub, whole: a local copy of NoCaps, made by hand."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants
from PIL import Image

from datagen.dataset import BuiltDataset
from datagen.files import LocalFiles
from datagen.schema.manifest import read_manifest
from datagen.sources.mirrors.mirror import read_mirror

INTEGERS = ("image_height", "image_width", "image_id", "image_license")


@pytest.fixture(autouse=True)
def no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "no_cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def picture(number: int) -> dict[str, Any]:
    file = io.BytesIO()
    Image.new("RGB", (20, 10), (number, 0, 0)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    """A raw folder with a copy of lmms-lab/NoCaps: two images of val, none of test."""
    folder = tmp_path / "copies/lmms-lab/NoCaps"
    folder.mkdir(parents=True)
    rows = [
        {
            "image": picture(number),
            "image_id": number,
            "image_file_name": f"{number}.jpg",
            "image_open_images_id": f"a{number}",
            "annotations_captions": [f"Picture {number}.", "A picture."],
        }
        for number in (7, 8)
    ]
    names = read_mirror("nocaps").columns
    kinds = {
        "image": pa.struct({"bytes": pa.binary(), "path": pa.string()}),
        "annotations_ids": pa.list_(pa.int64()),
        "annotations_captions": pa.list_(pa.string()),
        **dict.fromkeys(INTEGERS, pa.int64()),
    }
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    table = pa.Table.from_pylist([{n: row.get(n) for n in names} for row in rows], schema)
    pq.write_table(table, folder / "validation-00000-of-00001.parquet")
    return tmp_path / "copies"


def test_a_dataset_from_a_mirror_has_the_publishers_ids_and_names_the_mirror(
    run: Callable[..., Any], copies: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("build", "--from", "hub", "--raw", copies, "--out", out, "--sources", "nocaps",
                 "--splits", "val")  # fmt: skip
    outcome = run(*arguments)
    assert outcome.status == 0, outcome
    assert "nocaps: lmms-lab/NoCaps at an unknown revision; lacks domain" in outcome.err
    manifest = read_manifest(str(out), LocalFiles())
    records = list(BuiltDataset(str(out), manifest, LocalFiles()).records("nocaps", "val"))
    assert sorted(each.record_id for each in records) == ["nocaps/val/7", "nocaps/val/8"]
    assert {each.group_id for each in records} == {"openimages:a7", "openimages:a8"}
    mirror = manifest.sources["nocaps"].mirror
    assert mirror is not None
    assert (mirror.repository, mirror.revision) == ("lmms-lab/NoCaps", None)
    assert manifest.splits["nocaps"]["val"].layout == "hub"
    card = (out / "README.md").read_text()
    assert (
        "| nocaps | lmms-lab/NoCaps | unknown | domain: in, near or out; captions of test |" in card
    )
    assert "is built already" in run(*arguments).err


def test_records_from_a_mirror_are_those_from_the_publishers_files(
    build: Callable[..., Any], raw: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copies/openflamingo/eval_benchmark/mscoco_karpathy/karpathy_coco.json"
    copy.parent.mkdir(parents=True)
    copy.write_bytes((raw / "coco_caption/dataset_coco.json").read_bytes())
    (tmp_path / "copies/images").symlink_to(raw / "images")
    built = {}
    for name, *arguments in (
        ("publisher", raw),
        ("mirror", tmp_path / "copies", "--from", "hub"),
    ):
        outcome = build(arguments[0], tmp_path / name, *arguments[1:], "--sources", "coco_caption")
        assert outcome.status == 0, outcome
        manifest = read_manifest(str(tmp_path / name), LocalFiles())
        built[name] = {
            split: sorted(
                BuiltDataset(str(tmp_path / name), manifest, LocalFiles()).records(
                    "coco_caption", split
                ),
                key=lambda record: record.record_id,
            )
            for split in manifest.splits["coco_caption"]
        }
    assert built["mirror"] == built["publisher"]
    assert all(built["mirror"].values())


def test_some_sources_come_from_mirrors_and_the_others_from_the_publishers(
    build: Callable[..., Any], raw: Path, copies: Path, tmp_path: Path
) -> None:
    for name in ("vqav2", "scienceqa", "images"):
        (copies / name).symlink_to(raw / name)
    origin = ("--from", "hub=nocaps", "--splits", "val")
    for out, sources, held in (
        ("all", (), {"nocaps", "vqav2", "vqav2_qg", "scienceqa"}),
        ("named", ("--sources", "vqav2"), {"nocaps", "vqav2"}),
    ):
        outcome = build(copies, tmp_path / out, *origin, *sources)
        assert outcome.status == 0, outcome
        manifest = read_manifest(str(tmp_path / out), LocalFiles())
        assert set(manifest.splits) == held
        read = {name for name, each in manifest.sources.items() if each.mirror is not None}
        assert read == {"nocaps"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "hubs"), "--from hubs: give publisher, hub, or hub=A,B with sources"),
        (("--from", "publisher=vqav2"), "--from publisher=vqav2: give publisher, hub, or hub=A,B"),
        (("--from", "hub="), "--from hub= names nothing"),
        (("--from", "hub=visdial"), "source 'visdial' cannot be built from the Hub"),
        (("--from", "hub=nocaps", "--sources", "vqav2"), "--sources vqav2 needs --raw DIR"),
    ],
)
def test_an_origin_that_cannot_be_is_refused(
    arguments: tuple[str, ...], message: str, refused: Callable[..., str], tmp_path: Path
) -> None:
    assert message in refused("build", "--out", tmp_path / "out", *arguments)


def test_a_dry_run_of_a_mirror_that_is_not_here_is_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    arguments = ("--out", tmp_path / "out", "--sources", "nocaps", "--dry-run")
    message = refused("build", "--from", "hub", *arguments)
    assert "lmms-lab/NoCaps: nothing is downloaded now" in message


def test_a_mirror_without_images_needs_their_folder(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    message = refused("build", "--from", "hub", "--out", tmp_path / "out", "--sources", "vqav2")
    assert (
        "pminervini/VQAv2 of vqav2 has no images; give their folder: --image-root coco=DIR"
        in message
    )


def test_the_mirror_of_a_source_is_shown(run: Callable[..., Any]) -> None:
    shown = " ".join(run("sources", "okvqa").out.split())
    assert "repository openflamingo/eval_benchmark" in shown
    assert "lacks images of COCO" in shown
    assert "mirror none: no copy seen has the 100 candidates" in " ".join(
        run("sources", "visdial").out.split()
    )
    facts = json.loads(run("sources", "okvqa", "--json").out)["hub"]
    assert facts["repository"] == "openflamingo/eval_benchmark"
    assert facts["lacks"] == ["images of COCO"]
