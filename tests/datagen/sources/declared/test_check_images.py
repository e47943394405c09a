"""`Checker` and the images of own data."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from datagen.files import LocalFiles
from datagen.media import pack as pack_module
from datagen.sources.declared.check import Checker, record_of
from datagen.sources.declared.definition import Definition
from datagen.sources.declared.normalise import resolve


def png(red: int, mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (12, 8), (red, 0, 0)).convert(mode).save(file, "PNG")
    return file.getvalue()


def checked(folder: Path, rows: list[dict[str, Any]], **more: Any) -> tuple[list[Any], Any]:
    pq.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet")
    definition = Definition.model_validate(
        {
            "name": "charts",
            "task": "vqa",
            "files": "rows.parquet",
            "columns": {"image": "image", "question": "q", "answers": "a", "id": "id"},
            "base": str(folder),
            **more,
        }
    )
    resolved, data_files = resolve(definition, LocalFiles())
    with closing(Checker(resolved, data_files, LocalFiles())) as checker:
        return [record_of(each, checker) for each in checker.records()], checker


def row(number: int, data: bytes, name: str) -> dict[str, Any]:
    return {"id": number, "q": "What?", "a": "red", "image": {"bytes": data, "path": name}}


def test_images_without_a_file_are_looked_at_also_after_a_row_that_is_rejected(
    tmp_path: Path,
) -> None:
    rows = [row(1, png(1), "a.png"), row(1, png(2), "b.png"), row(2, png(2), "b.png")]
    rows += [row(3, png(1), "c.png"), row(4, b"<html>", "d.png"), row(5, b"<html>", "d.png")]
    records, checker = checked(tmp_path, rows)
    assert [each["images"][0]["file"] for each in records] == [
        "charts/a.png",
        "charts/b.png",
        "charts/a.png",
    ]
    assert records[0]["images"] == records[2]["images"] != records[1]["images"]
    reasons = [each.reason.value for each in checker.problems if each.severity == "reject"]
    assert reasons == ["duplicate_id", "media_unreadable", "media_unreadable"]


def test_the_disk_holds_the_images_of_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    forget = pack_module.ImagePack.forget

    def measured(self: pack_module.ImagePack) -> None:
        sizes.append(Path(self._file.name).stat().st_blocks * 512)
        forget(self)

    monkeypatch.setattr(pack_module.ImagePack, "forget", measured)
    rows = [row(number, png(number) + bytes(50_000), f"{number}.png") for number in range(30)]
    records, _ = checked(tmp_path, rows)
    assert len(records) == 30
    assert len(sizes) == 30 and max(sizes) < 200_000


def test_warnings_about_an_image_are_given_once(tmp_path: Path) -> None:
    Image.new("RGBA", (8, 6), (0, 255, 0, 0)).save(tmp_path / "clear.png")
    rows = [row(number, (tmp_path / "clear.png").read_bytes(), "x.png") for number in range(3)]
    _, checker = checked(tmp_path, rows)
    assert [each.reason for each in checker.problems] == ["transparent"]


def test_metadata_with_paths_of_another_machine_are_mapped_or_named(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "1.png").write_bytes(png(1))
    text = '{"file_name": "/mnt/me/1.png", "text": "a red flower"}'
    (tmp_path / "train" / "metadata.jsonl").write_text(text)
    found = {}
    for prefixes in ({}, {"/mnt/me": "train"}):
        definition = Definition.model_validate(
            {
                "name": "flowers",
                "task": "caption",
                "files": {"train": "train"},
                "format": {"type": "imagefolder"},
                "images": {"replace_prefix": prefixes},
                "columns": {"image": "image", "caption": "text"},
                "base": str(tmp_path),
            }
        )
        resolved, data_files = resolve(definition, LocalFiles())
        with closing(Checker(resolved, data_files, LocalFiles())) as checker:
            made = list(checker.records())
            found[len(prefixes)] = len(made), [each.message for each in checker.problems]
    assert found[0][0] == 0 and "'/mnt/me/1.png' is an absolute path" in str(found[0][1])
    assert found[1][0] == 1
